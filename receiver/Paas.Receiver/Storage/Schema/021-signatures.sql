-- Whose archives are whose: an ECDSA signature over project, commit and digests, and the key it was made with. The token opens another receiver's releases.
ALTER TABLE releases ADD COLUMN signature TEXT;
ALTER TABLE releases ADD COLUMN signed_by TEXT;
ALTER TABLE environments ADD COLUMN release_token TEXT
