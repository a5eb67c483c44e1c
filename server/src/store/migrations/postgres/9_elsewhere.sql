-- Whether what an answer took is no figure of this place: it is a copy, or came by a file. One that is gone on with is of here
-- from then on.
ALTER TABLE messages ADD COLUMN elsewhere BIGINT NOT NULL DEFAULT 0;
UPDATE messages SET elsewhere = 1 WHERE role = 'answer' AND writer IS NULL;
