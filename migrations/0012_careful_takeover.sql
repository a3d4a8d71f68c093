-- ----------------------------------------------------------------------
-- Migration 0012: careful takeover
--
--      What a holder that is careful, because the one before it ended in this partition, has in hand: an array of the
--      identities of a few messages, written before it handles them. If it ends as well, it was one of these.
-- ----------------------------------------------------------------------
ALTER TABLE held_partition ADD COLUMN in_hand json;
