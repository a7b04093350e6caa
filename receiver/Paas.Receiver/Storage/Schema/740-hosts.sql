-- Other receivers that environments can be made on. The token is what lets this one in there; no answer shows it.
CREATE TABLE hosts (
    name      TEXT NOT NULL PRIMARY KEY,
    url       TEXT NOT NULL,
    token     TEXT NOT NULL,
    linked_at TEXT NOT NULL,
    linked_by TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Environments that were seen there: whoever writes a uuid means the host too.
CREATE TABLE hosted_environments (
    uuid TEXT NOT NULL PRIMARY KEY,
    host TEXT NOT NULL REFERENCES hosts (name) ON DELETE CASCADE,
    name TEXT NOT NULL
) STRICT, WITHOUT ROWID
