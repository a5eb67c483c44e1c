-- The last answers of a model, however many of others came since: `store/sql/measured.rs` asks for them by the same expression.
CREATE INDEX messages_of_model ON messages (json_extract(origin, '$.model'), n) WHERE metrics IS NOT NULL AND elsewhere = 0;
