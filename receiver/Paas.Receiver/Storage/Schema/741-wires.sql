-- What the operator's dns and firewall hooks were told of, and what they have yet to be told.
CREATE TABLE wires (
    kind    TEXT    NOT NULL CHECK (kind IN ('dns', 'firewall')),
    words   TEXT    NOT NULL,
    owner   TEXT    NOT NULL,
    state   TEXT    NOT NULL CHECK (state IN ('adding', 'there', 'removing')),
    tries   INTEGER NOT NULL DEFAULT 0,
    next_at INTEGER NOT NULL DEFAULT 0,
    trouble TEXT,
    PRIMARY KEY (kind, words)
) STRICT, WITHOUT ROWID
