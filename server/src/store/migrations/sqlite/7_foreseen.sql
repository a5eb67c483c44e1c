-- How long an answer was expected to take: microseconds to its first token and to its last, parted by a comma.
ALTER TABLE messages ADD COLUMN foreseen TEXT;
DROP INDEX messages_figures;
CREATE INDEX messages_figures ON messages (conversation, created, figures, foreseen) WHERE figures IS NOT NULL AND hidden IS NULL;
