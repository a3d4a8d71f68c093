-- ----------------------------------------------------------------------
-- Migration 0006: guards
--
--      What makes effects idempotent where a message's id is not enough, and where blocks of global ids come from.
-- ----------------------------------------------------------------------

-- ----------------------------------------------------------------------
-- Table: business_key
--
--      What was done once under a key of the business (a payment's serial number), with the result that the first
--      caller recorded. Written in the transaction of the effect, by whoever holds the transaction-level advisory lock
--      on (scope, key); never updated, deleted in batches once expires_at has passed.
--      Keys are bytes, whatever the database's collation takes for equal.
-- ----------------------------------------------------------------------
CREATE TABLE business_key (
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at  timestamptz NOT NULL,
  scope       text COLLATE "C" NOT NULL,
  key         text COLLATE "C" NOT NULL,
  result      json,
  PRIMARY KEY (scope, key)
);
CREATE INDEX business_key_expires_at ON business_key (expires_at);

-- ----------------------------------------------------------------------
-- Sequence: id_segment
--
--      Numbers of id segments, each handed to one process once. A sequence and not a row: a transaction that rolls
--      back gives no number back, and one that stays open makes nobody wait. 44 bits, which is what an id has room for.
-- ----------------------------------------------------------------------
CREATE SEQUENCE id_segment AS bigint MINVALUE 1 MAXVALUE 17592186044415 NO CYCLE;
