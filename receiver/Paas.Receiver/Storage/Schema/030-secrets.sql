-- What a configuration asks for with {secret:NAME}: made once, remembered.
CREATE TABLE secrets (
    environment TEXT NOT NULL,
    project     TEXT NOT NULL,
    name        TEXT NOT NULL,
    value       TEXT NOT NULL,
    made_at     TEXT NOT NULL,
    PRIMARY KEY (environment, project, name)
) STRICT, WITHOUT ROWID
