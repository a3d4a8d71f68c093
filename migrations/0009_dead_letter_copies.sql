-- ----------------------------------------------------------------------
-- Migration 0009: copies of dead letters
--
--      What is still to be sent to a dead-letter topic, where a consumer names one.
-- ----------------------------------------------------------------------

-- ----------------------------------------------------------------------
-- Table: dead_letter_copy
--
--      A dead letter whole, written in the transaction that makes it one, deleted once the transport has acknowledged its
--      copy: retrying or discarding the dead letter before that takes nothing away. due_at: when it is sent, or tried
--      again; a consumer that sends it moves it ahead, so that others leave it alone for that time.
-- ----------------------------------------------------------------------
CREATE TABLE dead_letter_copy (
  number        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  dead_letter   bigint NOT NULL,
  dead_at       timestamptz NOT NULL,
  due_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
  record_time   timestamptz NOT NULL,
  record_offset bigint,
  partition     integer NOT NULL,
  attempts      integer NOT NULL,
  failures      integer NOT NULL DEFAULT 0,
  consumer      text NOT NULL,
  topic         text NOT NULL,
  reason        text NOT NULL,
  error_name    text,
  error_code    text,
  key           bytea,
  headers       jsonb NOT NULL,
  payload       bytea
);
CREATE INDEX dead_letter_copy_due_at ON dead_letter_copy (consumer, due_at);
