-- An estimate names the tokens that it is for: microseconds to the first token and to the last, then those.
UPDATE messages SET foreseen = foreseen || ',' || nibble_figure(CAST(metrics AS JSON) -> 'foreseen', 'output_tokens', 1)
WHERE foreseen IS NOT NULL;
