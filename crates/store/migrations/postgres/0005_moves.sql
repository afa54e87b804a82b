-- Which life of the data this is: 1 at first, raised by each restore from a backup.
ALTER TABLE installation ADD COLUMN epoch BIGINT NOT NULL DEFAULT 1;
-- Where the installation is being moved or has been moved to, in words; it must not be served from here any more.
ALTER TABLE installation ADD COLUMN moved_to TEXT;
