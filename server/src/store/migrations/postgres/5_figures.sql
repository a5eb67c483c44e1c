-- What an answer took, short enough to read those of 100,000 answers at once: whole numbers parted by commas, nothing where
-- none was measured, the model's name last. `store/sql/measured.rs` reads it.
CREATE FUNCTION nibble_figure(metrics JSON, name TEXT, scale DOUBLE PRECISION) RETURNS TEXT LANGUAGE SQL IMMUTABLE AS $$
    SELECT CASE WHEN metrics ->> name IS NULL THEN ''
        ELSE CAST(CAST(round(least(greatest(CAST(metrics ->> name AS DOUBLE PRECISION) * scale, 0), 9e15)) AS BIGINT) AS TEXT) END
$$;

-- A text of JSON that Postgres cannot have, because of a NUL in it, is none.
CREATE FUNCTION nibble_words(origin TEXT, name TEXT) RETURNS TEXT LANGUAGE SQL IMMUTABLE AS $$
    SELECT CASE WHEN origin IS NULL OR strpos(origin, '\u0000') > 0 THEN ''
        ELSE replace(coalesce(CAST(origin AS JSON) ->> name, ''), chr(10), ' ') END
$$;

ALTER TABLE messages ADD COLUMN figures TEXT GENERATED ALWAYS AS (CASE WHEN metrics IS NULL THEN NULL ELSE
    nibble_figure(CAST(metrics AS JSON), 'time_to_first_token_s', 1e6) || ',' ||
    nibble_figure(CAST(metrics AS JSON), 'decode_tokens_per_second', 1e3) || ',' ||
    nibble_figure(CAST(metrics AS JSON), 'prefill_tokens_per_second', 1e3) || ',' ||
    nibble_figure(CAST(metrics AS JSON), 'queued_s', 1e6) || ',' ||
    nibble_figure(CAST(metrics AS JSON), 'total_s', 1e6) || ',' ||
    nibble_figure(CAST(metrics AS JSON), 'usd_total', 1e9) || ',' ||
    nibble_figure(CAST(metrics AS JSON), 'usd_share', 1e9) || ',' ||
    nibble_figure(CAST(metrics AS JSON), 'beside', 1e3) || ',' ||
    nibble_figure(CAST(metrics AS JSON), 'prompt_tokens', 1) || ',' ||
    nibble_figure(CAST(metrics AS JSON), 'cached_tokens', 1) || ',' ||
    nibble_figure(CAST(metrics AS JSON), 'output_tokens', 1) || ',' ||
    nibble_words(origin, 'threads') || ',' ||
    replace(nibble_words(origin, 'kernel'), ',', ' ') || ',' ||
    nibble_words(origin, 'model')
    END) STORED;
