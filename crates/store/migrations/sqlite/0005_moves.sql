-- Which life of the data this is: 1 at first, raised by each restore from a backup.
ALTER TABLE installation ADD COLUMN epoch INTEGER NOT NULL DEFAULT 1;
-- Where the installation is being moved or has been moved to, in words; it must not be served from here any more.
ALTER TABLE installation ADD COLUMN moved_to TEXT;
ALTER TABLE installation ADD COLUMN moved_at INTEGER; -- Unix seconds at which all of it was there; NULL = not yet
-- By what the two sides of a copy know each other: the same in both, random for each copy.
ALTER TABLE installation ADD COLUMN transfer BLOB CHECK (length(transfer) = 16);
-- Which copy is filling these tables; nobody opens them until it is complete. NULL = they are whole.
ALTER TABLE installation ADD COLUMN filling TEXT CHECK (filling IN ('move', 'backup', 'restore'));
