CREATE TABLE owners (
    id TEXT PRIMARY KEY,
    -- What the owner's next conversation starts with, as JSON.
    settings TEXT NOT NULL
);

CREATE TABLE conversations (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    title TEXT NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    pinned INTEGER NOT NULL DEFAULT 0,
    shared INTEGER NOT NULL DEFAULT 0,
    -- When it was deleted; it can be had back for a while.
    deleted INTEGER,
    -- The message at the end of the branch that is shown.
    tip TEXT,
    settings TEXT NOT NULL,
    usd REAL NOT NULL DEFAULT 0
);

CREATE INDEX conversations_listed ON conversations (owner, pinned DESC, updated DESC) WHERE deleted IS NULL;
CREATE INDEX conversations_deleted ON conversations (deleted) WHERE deleted IS NOT NULL;

CREATE TABLE messages (
    -- Counts up, so that siblings have an order.
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    conversation TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    -- What it follows.
    parent TEXT,
    -- 'question' or 'answer'; an answer has the columns after its text.
    role TEXT NOT NULL,
    created INTEGER NOT NULL,
    text TEXT NOT NULL,
    -- What a model thought before it answered; neither searched nor told to it again.
    thought TEXT NOT NULL DEFAULT '',
    state TEXT,
    reason TEXT,
    origin TEXT,
    metrics TEXT,
    -- The process that writes it.
    writer TEXT,
    -- When it was hidden, with the question that it follows; it can be had back for a while.
    hidden INTEGER
);

CREATE INDEX messages_of_conversation ON messages (conversation, n);
CREATE INDEX messages_hidden ON messages (hidden) WHERE hidden IS NOT NULL;
CREATE INDEX messages_open ON messages (writer) WHERE state IN ('queued', 'running');

-- Trigrams find words within words, and words of languages that do not part them.
CREATE VIRTUAL TABLE found USING fts5 (text, content = 'messages', content_rowid = 'n', tokenize = 'trigram');

CREATE TRIGGER found_new AFTER INSERT ON messages
WHEN new.state IS NULL OR new.state NOT IN ('queued', 'running') BEGIN
    INSERT INTO found (rowid, text) VALUES (new.n, new.text);
END;

-- An answer is found when it has ended, and not with every word that is written down.
CREATE TRIGGER found_answer AFTER UPDATE OF state ON messages
WHEN old.state IN ('queued', 'running') AND new.state NOT IN ('queued', 'running') BEGIN
    INSERT INTO found (rowid, text) VALUES (new.n, new.text);
END;

CREATE TRIGGER found_again AFTER UPDATE OF state ON messages
WHEN old.state NOT IN ('queued', 'running') AND new.state IN ('queued', 'running') BEGIN
    INSERT INTO found (found, rowid, text) VALUES ('delete', old.n, old.text);
END;

CREATE TRIGGER found_deleted AFTER DELETE ON messages
WHEN old.state IS NULL OR old.state NOT IN ('queued', 'running') BEGIN
    INSERT INTO found (found, rowid, text) VALUES ('delete', old.n, old.text);
END;
