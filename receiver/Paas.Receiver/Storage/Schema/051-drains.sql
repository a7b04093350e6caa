-- Where what a project's instances print is carried to as well, and the time of the newest line that arrived there.
CREATE TABLE drains (
    id          INTEGER PRIMARY KEY,
    environment TEXT NOT NULL,
    project     TEXT NOT NULL,
    url         TEXT NOT NULL,
    position    TEXT NOT NULL,
    FOREIGN KEY (environment, project) REFERENCES projects (environment, name) ON DELETE CASCADE
) STRICT
