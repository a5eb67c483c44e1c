-- An estimate names the tokens that it is for: microseconds to the first token and to the last, then those.
UPDATE messages SET foreseen = foreseen || ',' || coalesce(CAST(json_extract(metrics, '$.foreseen.output_tokens') AS INTEGER), '')
WHERE foreseen IS NOT NULL;

-- What `store/sql/measured.rs` reads of an answer, in one piece: joining it anew for 100,000 answers took half of the time.
DROP INDEX messages_figures;
CREATE INDEX messages_lines ON messages (conversation, created, (created || ',' || coalesce(foreseen, ',,') || ',' || figures))
WHERE figures IS NOT NULL AND hidden IS NULL;
