-- Of the tree as it was sealed, where production's configure step made it another one than its archive holds; null where they are the same.
ALTER TABLE releases ADD COLUMN tree_digest TEXT;
