-- Lanes that were measured, as JSON, and whose they are.
CREATE TABLE comparisons (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    created BIGINT NOT NULL,
    content TEXT NOT NULL
);

CREATE INDEX comparisons_owner ON comparisons (owner, created);
