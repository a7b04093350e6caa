-- Sessions of CloudFlow clients: each is good for one environment. What a service was created with, and what was refused to it.
CREATE TABLE environment_sessions (
    hash        TEXT PRIMARY KEY,
    environment TEXT NOT NULL,
    made_for    TEXT NOT NULL,
    user        TEXT,
    expires_at  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE service_checks (
    environment  TEXT NOT NULL,
    project      TEXT NOT NULL,
    rel_path     TEXT NOT NULL,
    status_codes TEXT NOT NULL,
    interval     INTEGER NOT NULL,
    PRIMARY KEY (environment, project)
) STRICT, WITHOUT ROWID;

CREATE TABLE service_events (
    id          INTEGER PRIMARY KEY,
    environment TEXT NOT NULL,
    project     TEXT NOT NULL,
    at          TEXT NOT NULL,
    message     TEXT NOT NULL
) STRICT;

CREATE INDEX service_events_by_project ON service_events (environment, project, id)
