-- ----------------------------------------------------------------------
-- Migration 0011: digest of a dead letter's key
--
--      Which dead letter a key waits behind, found along an index and without reading the key, which not everybody may.
-- ----------------------------------------------------------------------
ALTER TABLE dead_letter ADD COLUMN key_digest bytea GENERATED ALWAYS AS (sha256(key)) STORED;
CREATE INDEX dead_letter_key ON dead_letter (consumer, topic, key_digest) WHERE parks;
