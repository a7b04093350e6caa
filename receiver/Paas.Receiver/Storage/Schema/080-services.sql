-- What projects are given by name: the same for all their releases, for as long as the project lives.
CREATE TABLE services (
    environment TEXT NOT NULL,
    project     TEXT NOT NULL,
    name        TEXT NOT NULL,
    generated   TEXT NOT NULL UNIQUE,
    made_at     TEXT NOT NULL,
    PRIMARY KEY (environment, project, name)
) STRICT, WITHOUT ROWID
