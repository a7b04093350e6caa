-- Of which share of its quota it was last told that a project takes it: 90 or 100 percent; no row is less.
CREATE TABLE space_levels (
    environment TEXT NOT NULL,
    project     TEXT NOT NULL,
    percent     INTEGER NOT NULL,
    PRIMARY KEY (environment, project)
) STRICT, WITHOUT ROWID
