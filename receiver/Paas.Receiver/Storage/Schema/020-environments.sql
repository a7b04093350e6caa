-- Environments beside the default one (R3.1, R13.5): what tells them apart, and what is being taken away. release_source: where final mode finds archives.
ALTER TABLE environments ADD COLUMN tags TEXT NOT NULL DEFAULT '{}';
ALTER TABLE environments ADD COLUMN quota_gigabytes INTEGER;
ALTER TABLE environments ADD COLUMN release_source TEXT;

-- A project that is gone but for its traces: written in the same transaction that forgets it, removed when the last trace is.
CREATE TABLE demolished (
    environment TEXT NOT NULL,
    project     TEXT NOT NULL,
    directory   TEXT NOT NULL,
    PRIMARY KEY (environment, project)
) STRICT, WITHOUT ROWID
