-- What people changed by hand in a release: each as a patch of that release, numbered in its project. The text itself is a file.
CREATE TABLE patches (
    environment TEXT NOT NULL,
    project     TEXT NOT NULL,
    number      INTEGER NOT NULL,
    id          TEXT NOT NULL UNIQUE,
    base        TEXT NOT NULL,
    base_number INTEGER NOT NULL,
    commit_id   TEXT NOT NULL,
    state       TEXT NOT NULL,
    subject     TEXT NOT NULL,
    made_by     TEXT NOT NULL,
    made_at     TEXT NOT NULL,
    files       TEXT NOT NULL,
    PRIMARY KEY (environment, project, number)
) STRICT, WITHOUT ROWID;

-- Which releases hold what a patch says.
CREATE TABLE patched_releases (
    release TEXT NOT NULL,
    patch   TEXT NOT NULL,
    PRIMARY KEY (release, patch)
) STRICT, WITHOUT ROWID
