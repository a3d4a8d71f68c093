-- ----------------------------------------------------------------------
-- Migration 0007: dead letters
--
--      What becomes of messages that cannot be handled: when each attempt failed, which keys wait behind one, what an
--      operator decided, and which partitions were held by a consumer that never gave them back.
-- ----------------------------------------------------------------------

-- Failures as an array of {"at", "name", "code"}, the last twenty of them.
ALTER TABLE attempt ADD COLUMN history jsonb NOT NULL DEFAULT '[]';

-- parks: later messages of the key wait until this one is retried or discarded.
-- retry_at: an operator has asked for a retry; a consumer of the group carries it out then. retry_tries counts tries
-- that began, so that a message which ends its process is given up again.
ALTER TABLE dead_letter
  ADD COLUMN history jsonb NOT NULL DEFAULT '[]',
  ADD COLUMN parks boolean NOT NULL DEFAULT false,
  ADD COLUMN retry_at timestamptz,
  ADD COLUMN retry_by text,
  ADD COLUMN retry_tries integer NOT NULL DEFAULT 0;
CREATE INDEX dead_letter_retry_at ON dead_letter (consumer, retry_at) WHERE retry_at IS NOT NULL;

-- ----------------------------------------------------------------------
-- Table: parked_key
--
--      The head row of a key whose messages wait at a consumer: whoever runs, parks or releases one of them locks it,
--      and it goes with the last of them. due_at: when the first one is tried again; NULL while a dead letter is in
--      front. Keys can be longer than an index entry may be, so their digest (SHA-256) identifies them.
-- ----------------------------------------------------------------------
CREATE TABLE parked_key (
  parked_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  due_at     timestamptz,
  consumer   text NOT NULL,
  topic      text NOT NULL,
  key_digest bytea NOT NULL,
  PRIMARY KEY (consumer, topic, key_digest)
);
CREATE INDEX parked_key_due_at ON parked_key (consumer, due_at) WHERE due_at IS NOT NULL;

-- ----------------------------------------------------------------------
-- Table: parked_delivery
--
--      Messages that wait, whole, in the order of their number. Their ids are in the inbox already.
-- ----------------------------------------------------------------------
CREATE TABLE parked_delivery (
  number        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  parked_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  record_time   timestamptz NOT NULL,
  record_offset bigint,
  partition     integer NOT NULL,
  consumer      text NOT NULL,
  source        text NOT NULL,
  message_id    text NOT NULL,
  topic         text NOT NULL,
  type          text NOT NULL,
  content_type  text,
  key           bytea NOT NULL,
  key_digest    bytea NOT NULL,
  headers       jsonb NOT NULL,
  payload       bytea,
  UNIQUE (consumer, source, message_id)
);
CREATE INDEX parked_delivery_key ON parked_delivery (consumer, topic, key_digest, number);

-- ----------------------------------------------------------------------
-- Table: dead_letter_action
--
--      Who did what with a dead letter, when and why; it outlives the dead letter. action: retry (asked for), retried
--      (handled), failed (handled in vain, a dead letter again), discard.
-- ----------------------------------------------------------------------
CREATE TABLE dead_letter_action (
  number      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  done_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  dead_letter bigint NOT NULL,
  action      text NOT NULL,
  done_by     text NOT NULL,
  why         text,
  consumer    text NOT NULL,
  source      text NOT NULL,
  message_id  text NOT NULL,
  topic       text NOT NULL,
  type        text NOT NULL,
  reason      text NOT NULL
);
CREATE INDEX dead_letter_action_letter ON dead_letter_action (dead_letter);

-- ----------------------------------------------------------------------
-- Table: held_partition
--
--      Set when a consumer is given a partition, cleared when it gives it back. A row of somebody else found at
--      assignment says that a consumer ended in the middle of something.
-- ----------------------------------------------------------------------
CREATE TABLE held_partition (
  held_since timestamptz NOT NULL DEFAULT clock_timestamp(),
  partition  integer NOT NULL,
  consumer   text NOT NULL,
  topic      text NOT NULL,
  topic_id   text NOT NULL DEFAULT '',
  holder     uuid NOT NULL,
  PRIMARY KEY (consumer, topic, topic_id, partition, holder)
);
