-- The archive of a release's image, beside that of its tree; null where it runs as processes.
ALTER TABLE releases ADD COLUMN image_digest TEXT;
ALTER TABLE releases ADD COLUMN image_bytes INTEGER
