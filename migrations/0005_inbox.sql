-- ----------------------------------------------------------------------
-- Migration 0005: inbox
--
--      What a consumer remembers, in its own database: the ids it handled, how far it read, what failed.
-- ----------------------------------------------------------------------

-- ----------------------------------------------------------------------
-- Function: inbox_slot(message_id)
--
--      The leaf of the inbox ring an id belongs to: the day inside the UUIDv7, modulo twelve. Width and count never
--      change in place: the same id with another slot would insert as new.
-- ----------------------------------------------------------------------
CREATE FUNCTION inbox_slot(message_id uuid) RETURNS smallint
  LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  RETURN ((('x' || substr(message_id::text, 1, 8) || substr(message_id::text, 10, 4))::bit(48)::bigint / 86400000) % 12)::smallint;

-- ----------------------------------------------------------------------
-- Table: inbox
--
--      The ids a consumer group has handled. Partitioned by the expression, so the slot cannot be wrong; a unique
--      index a leaf; INSERT … ON CONFLICT DO NOTHING with no target decides who is first.
-- ----------------------------------------------------------------------
CREATE TABLE inbox (
  consumer   text NOT NULL,
  message_id uuid NOT NULL
) PARTITION BY LIST (inbox_slot(message_id));

CREATE TABLE inbox_0 PARTITION OF inbox FOR VALUES IN (0);
CREATE TABLE inbox_1 PARTITION OF inbox FOR VALUES IN (1);
CREATE TABLE inbox_2 PARTITION OF inbox FOR VALUES IN (2);
CREATE TABLE inbox_3 PARTITION OF inbox FOR VALUES IN (3);
CREATE TABLE inbox_4 PARTITION OF inbox FOR VALUES IN (4);
CREATE TABLE inbox_5 PARTITION OF inbox FOR VALUES IN (5);
CREATE TABLE inbox_6 PARTITION OF inbox FOR VALUES IN (6);
CREATE TABLE inbox_7 PARTITION OF inbox FOR VALUES IN (7);
CREATE TABLE inbox_8 PARTITION OF inbox FOR VALUES IN (8);
CREATE TABLE inbox_9 PARTITION OF inbox FOR VALUES IN (9);
CREATE TABLE inbox_10 PARTITION OF inbox FOR VALUES IN (10);
CREATE TABLE inbox_11 PARTITION OF inbox FOR VALUES IN (11);

CREATE UNIQUE INDEX inbox_0_id ON inbox_0 (consumer, message_id);
CREATE UNIQUE INDEX inbox_1_id ON inbox_1 (consumer, message_id);
CREATE UNIQUE INDEX inbox_2_id ON inbox_2 (consumer, message_id);
CREATE UNIQUE INDEX inbox_3_id ON inbox_3 (consumer, message_id);
CREATE UNIQUE INDEX inbox_4_id ON inbox_4 (consumer, message_id);
CREATE UNIQUE INDEX inbox_5_id ON inbox_5 (consumer, message_id);
CREATE UNIQUE INDEX inbox_6_id ON inbox_6 (consumer, message_id);
CREATE UNIQUE INDEX inbox_7_id ON inbox_7 (consumer, message_id);
CREATE UNIQUE INDEX inbox_8_id ON inbox_8 (consumer, message_id);
CREATE UNIQUE INDEX inbox_9_id ON inbox_9 (consumer, message_id);
CREATE UNIQUE INDEX inbox_10_id ON inbox_10 (consumer, message_id);
CREATE UNIQUE INDEX inbox_11_id ON inbox_11 (consumer, message_id);

-- Ids whose time (milliseconds) lies below the floor are refused. A sequence, because setval is seen at once and by
-- every isolation level; it only rises.
CREATE SEQUENCE inbox_floor AS bigint MINVALUE 0 NO CYCLE;
SELECT setval('inbox_floor', 0);

-- ----------------------------------------------------------------------
-- Table: inbox_foreign
--
--      The same for ids without a usable time (not UUIDv7): plain, deleted by age.
-- ----------------------------------------------------------------------
CREATE TABLE inbox_foreign (
  received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  consumer    text NOT NULL,
  source      text NOT NULL,
  message_id  text NOT NULL,
  PRIMARY KEY (consumer, source, message_id)
);
CREATE INDEX inbox_foreign_received_at ON inbox_foreign (received_at);

-- ----------------------------------------------------------------------
-- Table: consumer_offset
--
--      The next offset to read, written in the transaction of the effects; on assignment the consumer seeks to it.
-- ----------------------------------------------------------------------
CREATE TABLE consumer_offset (
  next_offset bigint NOT NULL,
  updated_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  partition   integer NOT NULL,
  consumer    text NOT NULL,
  topic       text NOT NULL,
  topic_id    text NOT NULL DEFAULT '',
  PRIMARY KEY (consumer, topic, topic_id, partition)
) WITH (fillfactor = 20);

-- ----------------------------------------------------------------------
-- Table: attempt
--
--      Failed attempts of messages that have not been handled yet; written outside the transaction that rolled back.
-- ----------------------------------------------------------------------
CREATE TABLE attempt (
  first_failed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  last_failed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  attempts        integer NOT NULL DEFAULT 1,
  consumer        text NOT NULL,
  source          text NOT NULL,
  message_id      text NOT NULL,
  error           jsonb NOT NULL,
  PRIMARY KEY (consumer, source, message_id)
);

-- ----------------------------------------------------------------------
-- Table: dead_letter
--
--      Messages a consumer gave up on, whole, with why. headers is an array of [name, base64 or null].
--      A message without an id of its own has topic/partition/offset for one.
-- ----------------------------------------------------------------------
CREATE TABLE dead_letter (
  number          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  dead_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
  first_failed_at timestamptz,
  record_time     timestamptz NOT NULL,
  record_offset   bigint,
  partition       integer NOT NULL,
  attempts        integer NOT NULL,
  consumer        text NOT NULL,
  source          text NOT NULL,
  message_id      text NOT NULL,
  topic           text NOT NULL,
  type            text NOT NULL,
  reason          text NOT NULL,
  content_type    text,
  key             bytea,
  error           jsonb,
  headers         jsonb NOT NULL,
  payload         bytea,
  UNIQUE (consumer, source, message_id)
);
