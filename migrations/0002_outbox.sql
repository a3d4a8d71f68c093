-- ----------------------------------------------------------------------
-- Migration 0002: outbox
--
--      The table that producers write in their own transactions: insert-only, a ring of eight leaves reclaimed by
--      TRUNCATE, and a DEFAULT leaf so that no slot value can ever fail a business transaction.
--
-- Columns of note:
--      position    drawn at insert, hence after the lock on the business row: the order inside a window
--      xid         the writing transaction: decides in which window the row is published
--      slot        the active leaf of the ring when the row was written; says nothing about when it commits
-- ----------------------------------------------------------------------

-- The active slot. Moved by setval (not transactional: seen at once); read through pg_sequence_last_value, which needs
-- SELECT on the sequence only. Called once here, because a sequence never called answers NULL.
CREATE SEQUENCE outbox_slot AS smallint MINVALUE 0 MAXVALUE 7 NO CYCLE;
SELECT setval('outbox_slot', 0);

CREATE TABLE outbox (
  position     bigint GENERATED ALWAYS AS IDENTITY,
  xid          xid8 NOT NULL DEFAULT pg_current_xact_id(),
  created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  id           uuid NOT NULL,
  slot         smallint NOT NULL DEFAULT coalesce(pg_sequence_last_value('outbox_slot'::regclass), 0)::smallint,
  source       text NOT NULL,
  topic        text NOT NULL,
  key          text,
  type         text NOT NULL,
  content_type text,
  headers      jsonb,
  payload      bytea
) PARTITION BY LIST (slot);

CREATE TABLE outbox_0 PARTITION OF outbox FOR VALUES IN (0);
CREATE TABLE outbox_1 PARTITION OF outbox FOR VALUES IN (1);
CREATE TABLE outbox_2 PARTITION OF outbox FOR VALUES IN (2);
CREATE TABLE outbox_3 PARTITION OF outbox FOR VALUES IN (3);
CREATE TABLE outbox_4 PARTITION OF outbox FOR VALUES IN (4);
CREATE TABLE outbox_5 PARTITION OF outbox FOR VALUES IN (5);
CREATE TABLE outbox_6 PARTITION OF outbox FOR VALUES IN (6);
CREATE TABLE outbox_7 PARTITION OF outbox FOR VALUES IN (7);
CREATE TABLE outbox_default PARTITION OF outbox DEFAULT;

-- Small windows are found by transaction, large ones paged by position. Neither is unique: uniqueness would make
-- writers wait for each other.
CREATE INDEX outbox_xid ON outbox (xid);
CREATE INDEX outbox_position ON outbox (position);

-- ----------------------------------------------------------------------
-- Table: scheduled
--
--      Messages with a time to be delivered at. The relay moves what is due into the outbox, in one transaction.
--      The UUIDv7 of such a message carries due_at, so that the consumer's horizon counts from then.
-- ----------------------------------------------------------------------
CREATE TABLE scheduled (
  number       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  due_at       timestamptz NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  id           uuid NOT NULL,
  source       text NOT NULL,
  topic        text NOT NULL,
  key          text,
  type         text NOT NULL,
  content_type text,
  headers      jsonb,
  payload      bytea
);
CREATE INDEX scheduled_due_at ON scheduled (due_at, number);
