-- Addresses given to projects at the receiver's desk (those of a manifest are read from the release), and who is being worked on. Passwords as hashes.
CREATE TABLE domains (
    environment TEXT NOT NULL,
    project     TEXT NOT NULL,
    host        TEXT NOT NULL,
    path        TEXT NOT NULL,
    type        TEXT NOT NULL,
    allow       TEXT NOT NULL,
    users       TEXT NOT NULL,
    sticky      INTEGER NOT NULL,
    made_at     TEXT NOT NULL,
    PRIMARY KEY (host, path),
    FOREIGN KEY (environment, project) REFERENCES projects (environment, name) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX domains_by_project ON domains (environment, project);

CREATE TABLE maintenance (
    environment TEXT NOT NULL,
    project     TEXT NOT NULL,
    since       TEXT NOT NULL,
    PRIMARY KEY (environment, project),
    FOREIGN KEY (environment, project) REFERENCES projects (environment, name) ON DELETE CASCADE
) STRICT, WITHOUT ROWID
