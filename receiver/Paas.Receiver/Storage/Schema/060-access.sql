-- Who there is, what they may do (reference 2.12), which keys they come with, and a record of it all that only grows.
CREATE TABLE users (
    name      TEXT PRIMARY KEY,
    full_name TEXT,
    email     TEXT,
    password  TEXT,
    source    TEXT NOT NULL,
    disabled  INTEGER NOT NULL DEFAULT 0,
    made_at   TEXT NOT NULL,
    seen_at   TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE roles (
    name        TEXT PRIMARY KEY,
    permissions TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- An empty environment is everywhere. What a directory gave is replaced at the next login, what people gave stays.
CREATE TABLE grants (
    user        TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    role        TEXT NOT NULL REFERENCES roles (name),
    environment TEXT NOT NULL DEFAULT '',
    source      TEXT NOT NULL,
    PRIMARY KEY (user, role, environment, source)
) STRICT, WITHOUT ROWID;

CREATE TABLE keys (
    id          INTEGER PRIMARY KEY,
    name        TEXT NOT NULL,
    type        TEXT NOT NULL,
    body        TEXT NOT NULL,
    fingerprint TEXT NOT NULL UNIQUE,
    user        TEXT REFERENCES users (name) ON DELETE CASCADE,
    project     TEXT,
    push        INTEGER NOT NULL,
    made_at     TEXT NOT NULL,
    used_at     TEXT,
    CHECK ((user IS NULL) <> (project IS NULL))
) STRICT;

ALTER TABLE tokens ADD COLUMN user TEXT REFERENCES users (name) ON DELETE CASCADE;
ALTER TABLE tokens ADD COLUMN scope TEXT;

CREATE TABLE audit (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    at         TEXT NOT NULL,
    who        TEXT NOT NULL,
    credential TEXT NOT NULL,
    came_from  TEXT NOT NULL,
    action     TEXT NOT NULL,
    subject    TEXT NOT NULL,
    result     TEXT NOT NULL,
    detail     TEXT,
    chain      TEXT NOT NULL
) STRICT;

CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;
CREATE TRIGGER audit_is_never_shortened BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;

INSERT INTO roles (name, permissions) VALUES
    ('administrator', '*'),
    ('developer', 'WORKSPACE_LIST,WORKSPACE_VIEW,APPLICATION_CREATE,APPLICATION_DEPLOY,APPLICATION_DELETE,APPLICATION_ROUTING,APPLICATION_VIEW_MANIFEST,SERVICE_VIEW,SERVICE_CREDENTIAL_VIEW,SERVICE_EXPORT,SERVICE_IMPORT,SERVICE_TUNNEL,NODE_LIST,JOB_ABORT,FILE_UPLOAD,HEALTH_CHECK'),
    ('deployer', 'WORKSPACE_LIST,WORKSPACE_VIEW,APPLICATION_DEPLOY,APPLICATION_ROUTING,APPLICATION_VIEW_MANIFEST,SERVICE_VIEW,JOB_ABORT'),
    ('viewer', 'WORKSPACE_LIST,WORKSPACE_VIEW,APPLICATION_VIEW_MANIFEST,SERVICE_VIEW');

-- Nobody comes in as this user until somebody gives it a key or a token: it has no password.
INSERT INTO users (name, full_name, source, made_at) VALUES ('admin', 'First administrator', 'local', strftime('%Y-%m-%dT%H:%M:%fZ'));
INSERT INTO grants (user, role, source) VALUES ('admin', 'administrator', 'local')
