-- How long an answer was expected to take: microseconds to its first token and to its last, parted by a comma.
ALTER TABLE messages ADD COLUMN foreseen TEXT;
