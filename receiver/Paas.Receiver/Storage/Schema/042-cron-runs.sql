-- Web crons that were run: what was asked, of which release, and how it went (PM-73).
CREATE TABLE cron_runs (
    id           INTEGER PRIMARY KEY,
    environment  TEXT NOT NULL,
    project      TEXT NOT NULL,
    release      TEXT NOT NULL,
    type         TEXT NOT NULL,
    uri          TEXT NOT NULL,
    started_at   TEXT NOT NULL,
    milliseconds REAL NOT NULL,
    status       INTEGER,
    failure      TEXT,
    log          TEXT NOT NULL
) STRICT;

CREATE INDEX cron_runs_by_project ON cron_runs (environment, project, id);
