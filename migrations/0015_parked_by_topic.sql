-- ----------------------------------------------------------------------
-- Migration 0015: parked messages by topic
--
--      What waits of one topic in the order in which it has to leave, without a walk over all that waits of others: while
--      one topic is paused for a day, another one is looked at every few seconds.
-- ----------------------------------------------------------------------
CREATE INDEX parked_topic ON parked (topic, number);
