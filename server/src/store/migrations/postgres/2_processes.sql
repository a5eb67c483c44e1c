-- Whether somebody asked another process than the one that writes it to end it.
ALTER TABLE messages ADD COLUMN stopping BIGINT NOT NULL DEFAULT 0;

-- Words kept beside their text, so that a search need not part it again; of an answer when it has ended, and not with every
-- word that is written down. Postgres takes no more than 1 MB of them: of a longer text the beginning is found.
DROP INDEX messages_found;
ALTER TABLE messages ADD COLUMN words TSVECTOR GENERATED ALWAYS AS
    (CASE WHEN state IN ('queued', 'running') THEN NULL ELSE to_tsvector('simple', left(text, 100000)) END) STORED;
CREATE INDEX messages_found ON messages USING gin (words);
