-- Tokens, as hashes: what is stolen from this table opens nothing.
CREATE TABLE tokens (
    id         INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    selector   INTEGER NOT NULL,
    hash       BLOB NOT NULL UNIQUE,
    is_admin   INTEGER NOT NULL,
    project    TEXT,
    fixed      INTEGER NOT NULL DEFAULT 0,
    made_at    TEXT NOT NULL,
    expires_at TEXT,
    used_at    TEXT
) STRICT;

CREATE INDEX tokens_by_selector ON tokens (selector)
