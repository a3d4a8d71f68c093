-- ----------------------------------------------------------------------
-- Migration 0012: careful takeover
--
--      How many messages at a time the holder of a partition handles because the one before it ended there. A holder
--      that ends there as well says thereby that it was one of so few: the next one goes by fewer.
-- ----------------------------------------------------------------------
ALTER TABLE held_partition ADD COLUMN at_a_time integer;
