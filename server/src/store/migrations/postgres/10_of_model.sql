-- The last answers of a model, however many of others came since: `store/sql/measured.rs` asks for them by the same expression.
-- Of a name only the beginning is kept, as an index takes no long texts.
CREATE INDEX messages_of_model ON messages (left(nibble_words(origin, 'model'), 200), n) WHERE metrics IS NOT NULL AND elsewhere = 0;
