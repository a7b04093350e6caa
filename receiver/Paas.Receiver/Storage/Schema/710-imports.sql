-- An archive that was made elsewhere and taken over: deployable without ever having served.
ALTER TABLE releases ADD COLUMN imported INTEGER NOT NULL DEFAULT 0;
