-- Environments and projects, as wanted (R5.*, R13.*).
CREATE TABLE environments (
    name       TEXT PRIMARY KEY,
    uuid       TEXT NOT NULL UNIQUE,
    type       TEXT NOT NULL,
    mode       TEXT NOT NULL,
    root       TEXT NOT NULL,
    is_default INTEGER NOT NULL,
    made_at    TEXT NOT NULL
) STRICT;

CREATE TABLE projects (
    environment  TEXT NOT NULL REFERENCES environments (name),
    name         TEXT NOT NULL,
    made_at      TEXT NOT NULL,
    last_release INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (environment, name)
) STRICT, WITHOUT ROWID
