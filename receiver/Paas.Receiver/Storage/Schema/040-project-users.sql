-- Each project's own Unix user. A number is never given to another project: files of the first may still be somewhere.
CREATE TABLE project_users (
    number  INTEGER PRIMARY KEY,
    place   TEXT NOT NULL UNIQUE,
    made_at TEXT NOT NULL
) STRICT;
