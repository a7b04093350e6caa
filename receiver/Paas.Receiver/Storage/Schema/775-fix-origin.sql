-- A fix that came along in an archive: the id that it has where it was made.
ALTER TABLE patches ADD COLUMN origin TEXT;
