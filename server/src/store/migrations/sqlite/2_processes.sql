-- Whether somebody asked another process than the one that writes it to end it.
ALTER TABLE messages ADD COLUMN stopping INTEGER NOT NULL DEFAULT 0;

-- What is deleted is not to be read in the index of words either.
INSERT INTO found (found, rank) VALUES ('secure-delete', 1);

-- An answer that was taken for interrupted may have been written to its end after all, and is then found by its whole text.
CREATE TRIGGER found_rewritten AFTER UPDATE OF text ON messages
WHEN coalesce(old.state, '') NOT IN ('queued', 'running') AND coalesce(new.state, '') NOT IN ('queued', 'running') BEGIN
    INSERT INTO found (found, rowid, text) VALUES ('delete', old.n, old.text);
    INSERT INTO found (rowid, text) VALUES (new.n, new.text);
END;
