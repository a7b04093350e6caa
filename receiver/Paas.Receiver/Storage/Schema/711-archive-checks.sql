-- The archive was read again and held against the sealed tree: when, and what is wrong with it.
ALTER TABLE releases ADD COLUMN checked_at TEXT;
ALTER TABLE releases ADD COLUMN archive_trouble TEXT;
