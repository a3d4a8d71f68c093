-- ----------------------------------------------------------------------
-- Migration 0004: relay
--
--      What the relay remembers: how far it got, who may go on, where topics stood, and what was moved aside.
-- ----------------------------------------------------------------------

-- ----------------------------------------------------------------------
-- Table: relay_cursor
--
--      A row a lane. Everything visible in last_snapshot was published or parked. While a large window is paged,
--      upper_snapshot is its end and page_position the last position done in it.
--      Lease: one holder a lane until expires_at; every write by a relay carries epoch and token.
-- ----------------------------------------------------------------------
CREATE TABLE relay_cursor (
  lane           smallint PRIMARY KEY,
  epoch          bigint NOT NULL DEFAULT 0,
  page_position  bigint,
  expires_at     timestamptz,
  updated_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  token          uuid,
  holder         text,
  last_snapshot  pg_snapshot NOT NULL DEFAULT '3:3:',
  upper_snapshot pg_snapshot,
  CHECK ((upper_snapshot IS NULL) = (page_position IS NULL))
) WITH (fillfactor = 20);

INSERT INTO relay_cursor (lane) VALUES (0);

-- ----------------------------------------------------------------------
-- Table: database_identity
--
--      Which cluster and database the cursors were written in. Other values on start: a dump was restored, xids mean
--      nothing any more, and the relay starts over from everything retained.
-- ----------------------------------------------------------------------
CREATE TABLE database_identity (
  only_row          boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  system_identifier text NOT NULL,
  database_oid      oid NOT NULL
);

INSERT INTO database_identity (system_identifier, database_oid)
SELECT (SELECT system_identifier::text FROM pg_control_system()), oid FROM pg_database WHERE datname = current_database();

-- ----------------------------------------------------------------------
-- Table: pinned_topic
--
--      The number of partitions that keys are spread over: pinned when the relay first saw the topic, so that growing
--      the topic does not move keys while their messages are under way.
-- ----------------------------------------------------------------------
CREATE TABLE pinned_topic (
  topic      text PRIMARY KEY,
  partitions integer NOT NULL CHECK (partitions > 0),
  pinned_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- ----------------------------------------------------------------------
-- Table: parked
--
--      Copies of outbox rows that could not be sent, and of the later rows of their keys, in the order in which they
--      have to leave (number). While a key has rows here, its live rows join them.
-- ----------------------------------------------------------------------
CREATE TABLE parked (
  number       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  position     bigint NOT NULL UNIQUE,
  parked_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  created_at   timestamptz NOT NULL,
  id           uuid NOT NULL,
  lane         smallint NOT NULL,
  reason       text NOT NULL,
  source       text NOT NULL,
  topic        text NOT NULL,
  key          text,
  type         text NOT NULL,
  content_type text,
  headers      jsonb,
  payload      bytea
);
CREATE INDEX parked_topic_key ON parked (topic, key, number);
