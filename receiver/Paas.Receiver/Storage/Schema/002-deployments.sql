-- The journal: what was asked for, every step before and after it acts, and the way back, written before what it takes back.
CREATE TABLE deployments (
    id             TEXT PRIMARY KEY,
    environment    TEXT NOT NULL,
    project        TEXT NOT NULL,
    kind           TEXT NOT NULL,
    ref            TEXT,
    old_commit     TEXT,
    new_commit     TEXT,
    target_release INTEGER,
    mode           TEXT NOT NULL,
    rebuild        INTEGER NOT NULL,
    background     INTEGER NOT NULL,
    code_only      INTEGER NOT NULL,
    asked_by       TEXT NOT NULL,
    asked_from     TEXT NOT NULL,
    state          TEXT NOT NULL,
    outcome        TEXT,
    failure        TEXT,
    release_number INTEGER,
    previous       TEXT,
    next           TEXT,
    ref_moved      INTEGER NOT NULL DEFAULT 0,
    asked_at       TEXT NOT NULL,
    started_at     TEXT,
    finished_at    TEXT
) STRICT;

CREATE INDEX deployments_by_project ON deployments (environment, project, asked_at);
CREATE INDEX deployments_open ON deployments (state) WHERE state <> 'finished';

CREATE TABLE steps (
    deployment  TEXT NOT NULL REFERENCES deployments (id),
    number      INTEGER NOT NULL,
    name        TEXT NOT NULL,
    started_at  TEXT NOT NULL,
    finished_at TEXT,
    PRIMARY KEY (deployment, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE undo (
    deployment TEXT NOT NULL REFERENCES deployments (id),
    number     INTEGER NOT NULL,
    way_back   TEXT NOT NULL,
    PRIMARY KEY (deployment, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE releases (
    environment    TEXT NOT NULL,
    project        TEXT NOT NULL,
    number         INTEGER NOT NULL,
    id             TEXT NOT NULL UNIQUE,
    commit_id      TEXT NOT NULL,
    pillar_commit  TEXT,
    mode           TEXT NOT NULL,
    made_at        TEXT NOT NULL,
    live_at        TEXT,
    replaced_by    TEXT,
    content_digest TEXT,
    archive_digest TEXT,
    archive_bytes  INTEGER,
    pruned         INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (environment, project, number)
) STRICT, WITHOUT ROWID
