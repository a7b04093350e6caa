-- Refs are what is wanted; here is what they do not say: which projects have such refs, when a branch of that kind was moved, and what of a control tag has been done.
CREATE TABLE marked_services (
    environment TEXT NOT NULL,
    project     TEXT NOT NULL,
    PRIMARY KEY (environment, project)
) STRICT, WITHOUT ROWID;

CREATE TABLE branch_marks (
    environment TEXT NOT NULL,
    project     TEXT NOT NULL,
    ref         TEXT NOT NULL,
    commit_id   TEXT NOT NULL,
    stamp       TEXT NOT NULL,
    PRIMARY KEY (environment, project, ref)
) STRICT, WITHOUT ROWID;

CREATE TABLE instance_controls (
    environment  TEXT NOT NULL,
    project      TEXT NOT NULL,
    instance     TEXT NOT NULL,
    commit_id    TEXT NOT NULL,
    runs         INTEGER NOT NULL,
    force_bounce TEXT,
    PRIMARY KEY (environment, project, instance)
) STRICT, WITHOUT ROWID;
