-- Whether it is a question with which the model's memory begins: it is told nothing of what stands before.
ALTER TABLE messages ADD COLUMN memory INTEGER NOT NULL DEFAULT 0;

-- Settings that an owner keeps under a name, as JSON.
CREATE TABLE presets (
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    settings TEXT NOT NULL,
    PRIMARY KEY (owner, name)
);
