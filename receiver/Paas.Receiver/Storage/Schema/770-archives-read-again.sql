-- Every archive is read again, not only that of the whole tree: what was in it when it was packed, when it was looked at, and what is wrong with it.
ALTER TABLE releases ADD COLUMN image_content TEXT;
ALTER TABLE releases ADD COLUMN image_checked_at TEXT;
ALTER TABLE releases ADD COLUMN image_trouble TEXT;
ALTER TABLE release_parts ADD COLUMN content TEXT;
ALTER TABLE release_parts ADD COLUMN checked_at TEXT;
ALTER TABLE release_parts ADD COLUMN trouble TEXT
