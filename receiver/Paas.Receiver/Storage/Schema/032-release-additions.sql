-- What a release's own steps added to it: variables, process types, archives. JSON.
CREATE TABLE release_additions (
    release   TEXT PRIMARY KEY,
    additions TEXT NOT NULL
) STRICT, WITHOUT ROWID
