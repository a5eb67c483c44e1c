CREATE TABLE owners (
    id TEXT PRIMARY KEY,
    -- What the owner's next conversation starts with, as JSON.
    settings TEXT NOT NULL
);

CREATE TABLE conversations (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    title TEXT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    pinned BIGINT NOT NULL DEFAULT 0,
    shared BIGINT NOT NULL DEFAULT 0,
    -- When it was deleted; it can be had back for a while.
    deleted BIGINT,
    -- The message at the end of the branch that is shown.
    tip TEXT,
    settings TEXT NOT NULL,
    usd DOUBLE PRECISION NOT NULL DEFAULT 0
);

CREATE INDEX conversations_listed ON conversations (owner, pinned DESC, updated DESC) WHERE deleted IS NULL;
CREATE INDEX conversations_deleted ON conversations (deleted) WHERE deleted IS NOT NULL;

CREATE TABLE messages (
    -- Counts up, so that siblings have an order.
    n BIGSERIAL PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    conversation TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    -- What it follows.
    parent TEXT,
    -- 'question' or 'answer'; an answer has the columns after its text.
    role TEXT NOT NULL,
    created BIGINT NOT NULL,
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
    hidden BIGINT
);

CREATE INDEX messages_of_conversation ON messages (conversation, n);
CREATE INDEX messages_hidden ON messages (hidden) WHERE hidden IS NOT NULL;
CREATE INDEX messages_open ON messages (writer) WHERE state IN ('queued', 'running');
-- Words as they are, in any language that parts them.
CREATE INDEX messages_found ON messages USING gin (to_tsvector('simple', text));

-- Processes that write answers, and when each last said that it does.
CREATE TABLE writers (
    id TEXT PRIMARY KEY,
    seen BIGINT NOT NULL
);
