-- Archives beside the one of the whole tree, of parts of it that the project's steps have named.
CREATE TABLE release_parts (
    release TEXT NOT NULL,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (release, name)
);
