-- Runs of services' pipelines. The pillar's commit is kept with a run: what is approved is the pipeline that was started.
CREATE TABLE pipeline_runs (
    id            INTEGER PRIMARY KEY,
    environment   TEXT NOT NULL,
    project       TEXT NOT NULL,
    commit_id     TEXT NOT NULL,
    pillar_commit TEXT NOT NULL,
    asked_by      TEXT NOT NULL,
    state         TEXT NOT NULL,
    stage         INTEGER NOT NULL,
    detail        TEXT
) STRICT
