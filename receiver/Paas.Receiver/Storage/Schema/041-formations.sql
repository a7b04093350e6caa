-- What people want beyond what a release declares: how many of a process type, and releases that are started beside the live one or that are stopped.
CREATE TABLE scales (
    environment TEXT NOT NULL,
    project     TEXT NOT NULL,
    type        TEXT NOT NULL,
    quantity    INTEGER NOT NULL,
    PRIMARY KEY (environment, project, type)
) STRICT, WITHOUT ROWID;

CREATE TABLE wanted_releases (
    id          TEXT PRIMARY KEY,
    environment TEXT NOT NULL,
    project     TEXT NOT NULL,
    runs        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
