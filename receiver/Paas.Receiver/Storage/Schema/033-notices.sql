-- Notices on their way: one row for each recipient, until it has taken it.
CREATE TABLE notices (
    id      TEXT NOT NULL,
    channel TEXT NOT NULL,
    target  TEXT NOT NULL,
    secret  TEXT,
    notice  TEXT NOT NULL,
    tries   INTEGER NOT NULL,
    next_at INTEGER NOT NULL,
    PRIMARY KEY (id, channel, target)
) STRICT, WITHOUT ROWID;

CREATE INDEX notices_due ON notices (next_at)
