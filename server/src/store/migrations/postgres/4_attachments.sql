-- Files beside a question, as JSON; nothing where it has none. A search does not find what stands in them.
ALTER TABLE messages ADD COLUMN attachments TEXT;
