-- What an answer took, short enough to read those of 100,000 answers at once: whole numbers parted by commas, nothing where
-- none was measured, the model's name last. `store/sql/measured.rs` reads it.
ALTER TABLE messages ADD COLUMN figures TEXT;
CREATE INDEX messages_figures ON messages (conversation, created, figures) WHERE figures IS NOT NULL AND hidden IS NULL;

CREATE TRIGGER figures_changed AFTER UPDATE OF metrics ON messages WHEN new.metrics IS NOT NULL BEGIN
    UPDATE messages SET figures =
        coalesce(CAST(round(min(max(json_extract(new.metrics, '$.time_to_first_token_s') * 1e6, 0), 9e15)) AS INTEGER), '') || ',' ||
        coalesce(CAST(round(min(max(json_extract(new.metrics, '$.decode_tokens_per_second') * 1e3, 0), 9e15)) AS INTEGER), '') || ',' ||
        coalesce(CAST(round(min(max(json_extract(new.metrics, '$.prefill_tokens_per_second') * 1e3, 0), 9e15)) AS INTEGER), '') || ',' ||
        coalesce(CAST(round(min(max(json_extract(new.metrics, '$.queued_s') * 1e6, 0), 9e15)) AS INTEGER), '') || ',' ||
        coalesce(CAST(round(min(max(json_extract(new.metrics, '$.total_s') * 1e6, 0), 9e15)) AS INTEGER), '') || ',' ||
        coalesce(CAST(round(min(max(json_extract(new.metrics, '$.usd_total') * 1e9, 0), 9e15)) AS INTEGER), '') || ',' ||
        coalesce(CAST(round(min(max(json_extract(new.metrics, '$.usd_share') * 1e9, 0), 9e15)) AS INTEGER), '') || ',' ||
        coalesce(CAST(round(min(max(json_extract(new.metrics, '$.beside') * 1e3, 0), 9e15)) AS INTEGER), '') || ',' ||
        coalesce(CAST(json_extract(new.metrics, '$.prompt_tokens') AS INTEGER), '') || ',' ||
        coalesce(CAST(json_extract(new.metrics, '$.cached_tokens') AS INTEGER), '') || ',' ||
        coalesce(CAST(json_extract(new.metrics, '$.output_tokens') AS INTEGER), '') || ',' ||
        coalesce(CAST(json_extract(new.origin, '$.threads') AS INTEGER), '') || ',' ||
        replace(replace(coalesce(json_extract(new.origin, '$.kernel'), ''), ',', ' '), char(10), ' ') || ',' ||
        replace(coalesce(json_extract(new.origin, '$.model'), ''), char(10), ' ')
    WHERE n = new.n;
END;

-- An answer that comes from a file has its metrics from the start.
CREATE TRIGGER figures_new AFTER INSERT ON messages WHEN new.metrics IS NOT NULL BEGIN
    UPDATE messages SET metrics = new.metrics WHERE n = new.n;
END;

UPDATE messages SET metrics = metrics WHERE metrics IS NOT NULL;
