SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public._sqlx_migrations (
    version bigint NOT NULL,
    description text NOT NULL,
    installed_on timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    success boolean NOT NULL,
    checksum bytea NOT NULL,
    execution_time bigint NOT NULL
);
CREATE TABLE public.conversations (
    id text NOT NULL,
    owner text NOT NULL,
    title text NOT NULL,
    created bigint NOT NULL,
    updated bigint NOT NULL,
    pinned bigint DEFAULT 0 NOT NULL,
    shared bigint DEFAULT 0 NOT NULL,
    deleted bigint,
    tip text,
    settings text NOT NULL,
    usd double precision DEFAULT 0 NOT NULL
);
CREATE TABLE public.messages (
    n bigint NOT NULL,
    id text NOT NULL,
    conversation text NOT NULL,
    parent text,
    role text NOT NULL,
    created bigint NOT NULL,
    text text NOT NULL,
    thought text DEFAULT ''::text NOT NULL,
    state text,
    reason text,
    origin text,
    metrics text,
    writer text,
    hidden bigint,
    stopping bigint DEFAULT 0 NOT NULL,
    words tsvector GENERATED ALWAYS AS (
CASE
    WHEN (state = ANY (ARRAY['queued'::text, 'running'::text])) THEN NULL::tsvector
    ELSE to_tsvector('simple'::regconfig, "left"(text, 100000))
END) STORED
);
CREATE SEQUENCE public.messages_n_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.messages_n_seq OWNED BY public.messages.n;
CREATE TABLE public.owners (
    id text NOT NULL,
    settings text NOT NULL
);
CREATE TABLE public.writers (
    id text NOT NULL,
    seen bigint NOT NULL
);
ALTER TABLE ONLY public.messages ALTER COLUMN n SET DEFAULT nextval('public.messages_n_seq'::regclass);
INSERT INTO public._sqlx_migrations VALUES (1, 'conversations', '2026-11-29 09:00:00+00', true, '\xcdd7beb0d52ae9c3ef3135d9cd909b0d6ad28f5a9dc43a1d66d68fa47e284e70ae8a2f905cf668b4c2d51f7e9b9d81af', 1000000);
INSERT INTO public._sqlx_migrations VALUES (2, 'conversations', '2026-11-29 10:00:00+00', true, '\x81b1ece847938837ebb2b2fd3b5dec6b6504b73e1269876fb7c9219f77541efc6b1dacce2161c17d660a5fe11544533f', 1000000);
INSERT INTO public.conversations VALUES ('00000000000000000000000000000001', '01010101010101010101010101010101', 'Why is the sky blue?', 1764400000000, 1764400002000, 1, 0, NULL, '00000000000000000000000000000005', '{"temperature": 0.5, "max_tokens": 100, "system_prompt": "be brief", "usd_per_hour": 3.6}', 0.00125);
INSERT INTO public.messages VALUES (1, '00000000000000000000000000000002', '00000000000000000000000000000001', NULL, 'question', 1764400000000, 'Why is the sky blue?', '', NULL, NULL, NULL, NULL, NULL, NULL, 0, DEFAULT);
INSERT INTO public.messages VALUES (2, '00000000000000000000000000000003', '00000000000000000000000000000001', '00000000000000000000000000000002', 'answer', 1764400000000, 'Because air scatters light.', '', 'complete', NULL, '{"settings": {"temperature": 0.5, "max_tokens": 100, "system_prompt": "be brief", "usd_per_hour": 3.6}, "seed": 7, "model": "Tiny", "quantization": "int4, groups of 32", "kernel": "scalar", "threads": 2}', '{"time_to_first_token_s": 0.25, "queued_s": 0.0, "prefill_s": 0.2, "prefill_tokens_per_second": 50.0, "decode_tokens_per_second": 40.0, "time_per_output_token_ms": 25.0, "total_s": 1.25, "usd_per_million_tokens": 25.0, "usd_total": 0.00125, "usd_share": 0.00125, "usd_alone": null, "beside": 0.0, "prompt_tokens": 10, "cached_tokens": 0, "output_tokens": 3}', '0123456789abcdef0123456789abcdef', NULL, 0, DEFAULT);
INSERT INTO public.messages VALUES (3, '00000000000000000000000000000004', '00000000000000000000000000000001', '00000000000000000000000000000003', 'question', 1764400000000, 'Et à midi? 中午呢？', '', NULL, NULL, NULL, NULL, NULL, NULL, 0, DEFAULT);
INSERT INTO public.messages VALUES (4, '00000000000000000000000000000005', '00000000000000000000000000000001', '00000000000000000000000000000004', 'answer', 1764400000000, 'It is bluest ov', '', 'running', NULL, '{"settings": {"temperature": 0.5, "max_tokens": 100, "system_prompt": "be brief", "usd_per_hour": 3.6}, "seed": 7, "model": "Tiny", "quantization": "int4, groups of 32", "kernel": "scalar", "threads": 2}', NULL, '0123456789abcdef0123456789abcdef', NULL, 0, DEFAULT);
INSERT INTO public.owners VALUES ('01010101010101010101010101010101', '{"temperature": 0.5, "max_tokens": 100, "system_prompt": "be brief", "usd_per_hour": 3.6}');
SELECT pg_catalog.setval('public.messages_n_seq', 4, true);
ALTER TABLE ONLY public._sqlx_migrations
    ADD CONSTRAINT _sqlx_migrations_pkey PRIMARY KEY (version);
ALTER TABLE ONLY public.conversations
    ADD CONSTRAINT conversations_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.messages
    ADD CONSTRAINT messages_id_key UNIQUE (id);
ALTER TABLE ONLY public.messages
    ADD CONSTRAINT messages_pkey PRIMARY KEY (n);
ALTER TABLE ONLY public.owners
    ADD CONSTRAINT owners_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.writers
    ADD CONSTRAINT writers_pkey PRIMARY KEY (id);
CREATE INDEX conversations_deleted ON public.conversations USING btree (deleted) WHERE (deleted IS NOT NULL);
CREATE INDEX conversations_listed ON public.conversations USING btree (owner, pinned DESC, updated DESC) WHERE (deleted IS NULL);
CREATE INDEX messages_found ON public.messages USING gin (words);
CREATE INDEX messages_hidden ON public.messages USING btree (hidden) WHERE (hidden IS NOT NULL);
CREATE INDEX messages_of_conversation ON public.messages USING btree (conversation, n);
CREATE INDEX messages_open ON public.messages USING btree (writer) WHERE (state = ANY (ARRAY['queued'::text, 'running'::text]));
ALTER TABLE ONLY public.messages
    ADD CONSTRAINT messages_conversation_fkey FOREIGN KEY (conversation) REFERENCES public.conversations(id) ON DELETE CASCADE;
