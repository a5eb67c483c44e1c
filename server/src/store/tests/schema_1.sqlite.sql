PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, checksum BLOB NOT NULL, execution_time BIGINT NOT NULL);
INSERT INTO _sqlx_migrations VALUES(1,'conversations','2026-11-29 09:00:00',1,X'98a1dd73dd9f486dc5b4438de980da89b9a4febf1136a70183f349f1553471a92cd743b05906721b273c59580eb64ae3',1000000);
CREATE TABLE owners (
    id TEXT PRIMARY KEY,
    -- What the owner's next conversation starts with, as JSON.
    settings TEXT NOT NULL
);
INSERT INTO owners VALUES('01010101010101010101010101010101','{"temperature": 0.5, "max_tokens": 100, "system_prompt": "be brief", "usd_per_hour": 3.6}');
CREATE TABLE conversations (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    title TEXT NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    pinned INTEGER NOT NULL DEFAULT 0,
    shared INTEGER NOT NULL DEFAULT 0,
    -- When it was deleted; it can be had back for a while.
    deleted INTEGER,
    -- The message at the end of the branch that is shown.
    tip TEXT,
    settings TEXT NOT NULL,
    usd REAL NOT NULL DEFAULT 0
);
INSERT INTO conversations VALUES('00000000000000000000000000000001','01010101010101010101010101010101','Why is the sky blue?',1764400000000,1764400002000,1,0,NULL,'00000000000000000000000000000005','{"temperature": 0.5, "max_tokens": 100, "system_prompt": "be brief", "usd_per_hour": 3.6}',0.001250000000000000026);
CREATE TABLE messages (
    -- Counts up, so that siblings have an order.
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    conversation TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    -- What it follows.
    parent TEXT,
    -- 'question' or 'answer'; an answer has the columns after its text.
    role TEXT NOT NULL,
    created INTEGER NOT NULL,
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
    hidden INTEGER
);
INSERT INTO messages VALUES(1,'00000000000000000000000000000002','00000000000000000000000000000001',NULL,'question',1764400000000,'Why is the sky blue?','',NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO messages VALUES(2,'00000000000000000000000000000003','00000000000000000000000000000001','00000000000000000000000000000002','answer',1764400000000,'Because air scatters light.','','complete',NULL,'{"settings": {"temperature": 0.5, "max_tokens": 100, "system_prompt": "be brief", "usd_per_hour": 3.6}, "seed": 7, "model": "Tiny", "quantization": "int4, groups of 32", "kernel": "scalar", "threads": 2}','{"time_to_first_token_s": 0.25, "queued_s": 0.0, "prefill_s": 0.2, "prefill_tokens_per_second": 50.0, "decode_tokens_per_second": 40.0, "time_per_output_token_ms": 25.0, "total_s": 1.25, "usd_per_million_tokens": 25.0, "usd_total": 0.00125, "usd_share": 0.00125, "usd_alone": null, "beside": 0.0, "prompt_tokens": 10, "cached_tokens": 0, "output_tokens": 3}','0123456789abcdef0123456789abcdef',NULL);
INSERT INTO messages VALUES(3,'00000000000000000000000000000004','00000000000000000000000000000001','00000000000000000000000000000003','question',1764400000000,'Et à midi? 中午呢？','',NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO messages VALUES(4,'00000000000000000000000000000005','00000000000000000000000000000001','00000000000000000000000000000004','answer',1764400000000,'It is bluest ov','','running',NULL,'{"settings": {"temperature": 0.5, "max_tokens": 100, "system_prompt": "be brief", "usd_per_hour": 3.6}, "seed": 7, "model": "Tiny", "quantization": "int4, groups of 32", "kernel": "scalar", "threads": 2}',NULL,'0123456789abcdef0123456789abcdef',NULL);
PRAGMA writable_schema=ON;
INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql)VALUES('table','found','found',0,'CREATE VIRTUAL TABLE found USING fts5 (text, content = ''messages'', content_rowid = ''n'', tokenize = ''trigram'')');
CREATE TABLE IF NOT EXISTS 'found_data'(id INTEGER PRIMARY KEY, block BLOB);
INSERT INTO found_data VALUES(1,X'0338');
INSERT INTO found_data VALUES(10,X'000000000103030003010101020101030101');
INSERT INTO found_data VALUES(137438953473,X'0000008d043020626c010210020269730102050202736b01020c020274680102080103626c75010211010365207301020b010368652001020a02027920010203010369732001020601036b792001020e01036c7565010212010373207401020702026b7901020d0103746865010209010375653f0102130103776879010202010379206201020f030169010204040807070708080807080808080708080808');
INSERT INTO found_data VALUES(274877906945,X'000000bf043020616902020902026c690202160202736302020d010361697202020a02027474020210020275730202050103626563020202010363617402020f030175020204010365206102020802026361020203020272730202130103676874020219010368742e02021a01036967680202180202722002020b01036c6967020217010372207302020c02027320020214010373206c0202150202636102020e02026520020207010374657202021202027465020211010375736502020604080707080707080806080707080808070808070807070807');
INSERT INTO found_data VALUES(412316860417,X'0000007e0430206d690302060203c3a0200302040206e4b8ade58d8803020c01053f20e4b8ad03020b010364693f03020901036574200302020103693f2003020a0202646903020801036d696403020701047420c3a00302030104c3a0206d0302050109e4b8ade58d88e591a203020d0109e58d88e591a2efbc9f03020e0408080b0a080808070809090e');
CREATE TABLE IF NOT EXISTS 'found_idx'(segid, term, pgno, PRIMARY KEY(segid, term)) WITHOUT ROWID;
INSERT INTO found_idx VALUES(1,X'',2);
INSERT INTO found_idx VALUES(2,X'',2);
INSERT INTO found_idx VALUES(3,X'',2);
CREATE TABLE IF NOT EXISTS 'found_docsize'(id INTEGER PRIMARY KEY, sz BLOB);
INSERT INTO found_docsize VALUES(1,X'12');
INSERT INTO found_docsize VALUES(2,X'19');
INSERT INTO found_docsize VALUES(3,X'0d');
CREATE TABLE IF NOT EXISTS 'found_config'(k PRIMARY KEY, v) WITHOUT ROWID;
INSERT INTO found_config VALUES('version',4);
CREATE INDEX conversations_listed ON conversations (owner, pinned DESC, updated DESC) WHERE deleted IS NULL;
CREATE INDEX conversations_deleted ON conversations (deleted) WHERE deleted IS NOT NULL;
CREATE INDEX messages_of_conversation ON messages (conversation, n);
CREATE INDEX messages_hidden ON messages (hidden) WHERE hidden IS NOT NULL;
CREATE INDEX messages_open ON messages (writer) WHERE state IN ('queued', 'running');
CREATE TRIGGER found_new AFTER INSERT ON messages
WHEN new.state IS NULL OR new.state NOT IN ('queued', 'running') BEGIN
    INSERT INTO found (rowid, text) VALUES (new.n, new.text);
END;
CREATE TRIGGER found_answer AFTER UPDATE OF state ON messages
WHEN old.state IN ('queued', 'running') AND new.state NOT IN ('queued', 'running') BEGIN
    INSERT INTO found (rowid, text) VALUES (new.n, new.text);
END;
CREATE TRIGGER found_again AFTER UPDATE OF state ON messages
WHEN old.state NOT IN ('queued', 'running') AND new.state IN ('queued', 'running') BEGIN
    INSERT INTO found (found, rowid, text) VALUES ('delete', old.n, old.text);
END;
CREATE TRIGGER found_deleted AFTER DELETE ON messages
WHEN old.state IS NULL OR old.state NOT IN ('queued', 'running') BEGIN
    INSERT INTO found (found, rowid, text) VALUES ('delete', old.n, old.text);
END;
PRAGMA writable_schema=OFF;
COMMIT;
