-- Short-lived credentials of docker clients, each for the images of one project; and what CloudFlow's clients asked for, by the commit that was made of it.
CREATE TABLE registry_credentials (
    hash        TEXT PRIMARY KEY,
    environment TEXT NOT NULL,
    project     TEXT NOT NULL,
    may_push    INTEGER NOT NULL,
    expires_at  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE service_definitions (
    id           INTEGER PRIMARY KEY,
    environment  TEXT NOT NULL,
    project      TEXT NOT NULL,
    commit_id    TEXT NOT NULL,
    tag          TEXT NOT NULL,
    image        TEXT NOT NULL,
    reservation  INTEGER NOT NULL,
    memory_limit INTEGER NOT NULL,
    port         INTEGER NOT NULL
) STRICT;

CREATE INDEX service_definitions_by_project ON service_definitions (environment, project, id)
