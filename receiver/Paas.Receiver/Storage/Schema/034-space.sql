-- How much a project may take, in gigabytes; no row is the receiver's own default, null is no limit.
CREATE TABLE project_space (
    environment     TEXT NOT NULL,
    project         TEXT NOT NULL,
    quota_gigabytes INTEGER,
    PRIMARY KEY (environment, project)
) STRICT, WITHOUT ROWID
