-- ----------------------------------------------------------------------
-- Migration 0008: publication
--
--      What the relay has published where: for an operator who follows one message, and for comparing outbox and topic.
--      A ring of eight leaves, each written for half a day and emptied by TRUNCATE; nothing is updated or deleted.
-- ----------------------------------------------------------------------

-- ----------------------------------------------------------------------
-- Function: publication_slot(at)
--
--      The leaf of the ring that is written at a time: the half day since the Unix epoch, modulo eight.
-- ----------------------------------------------------------------------
CREATE FUNCTION publication_slot(at timestamptz) RETURNS smallint
  LANGUAGE sql STABLE STRICT PARALLEL SAFE
  RETURN (floor(extract(epoch FROM at) / 43200)::bigint % 8)::smallint;

-- ----------------------------------------------------------------------
-- Table: publication
--
--      A row for the messages of one partition that were acknowledged together. Between first_position and
--      last_position there may lie messages of other partitions. Their offsets are consecutive from base_offset on, in
--      the order of their positions; NULL where the transport has no offsets.
-- ----------------------------------------------------------------------
CREATE TABLE publication (
  first_position bigint NOT NULL,
  last_position  bigint NOT NULL,
  base_offset    bigint,
  published_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  count          integer NOT NULL,
  partition      integer NOT NULL,
  lane           smallint NOT NULL,
  slot           smallint NOT NULL DEFAULT publication_slot(clock_timestamp()),
  topic          text NOT NULL
) PARTITION BY LIST (slot);

CREATE TABLE publication_0 PARTITION OF publication FOR VALUES IN (0);
CREATE TABLE publication_1 PARTITION OF publication FOR VALUES IN (1);
CREATE TABLE publication_2 PARTITION OF publication FOR VALUES IN (2);
CREATE TABLE publication_3 PARTITION OF publication FOR VALUES IN (3);
CREATE TABLE publication_4 PARTITION OF publication FOR VALUES IN (4);
CREATE TABLE publication_5 PARTITION OF publication FOR VALUES IN (5);
CREATE TABLE publication_6 PARTITION OF publication FOR VALUES IN (6);
CREATE TABLE publication_7 PARTITION OF publication FOR VALUES IN (7);

-- Costs the relay next to nothing; a range of pages with one late message in it is wide, and no other.
CREATE INDEX publication_position ON publication USING brin (first_position, last_position)
  WITH (pages_per_range = 16, autosummarize = on);

-- ----------------------------------------------------------------------
-- Function: reclaim_publications(retention)
--
--      Empties the leaves that were last written longer ago than that. A leaf that somebody reads is left for later.
--
-- Parameters:
--      retention     at most three days, or a leaf is written again before it may be emptied
--
-- Returns:
--      how many leaves were emptied
-- ----------------------------------------------------------------------
CREATE FUNCTION reclaim_publications(retention interval DEFAULT '3 days') RETURNS integer
  LANGUAGE plpgsql VOLATILE
  SET search_path FROM CURRENT
  SET lock_timeout = '50ms'
AS $$
DECLARE
  active integer := publication_slot(clock_timestamp());
  leaf text;
  filled boolean;
  emptied integer := 0;
BEGIN
  FOR ago IN 1..7 LOOP
    CONTINUE WHEN (ago - 1) * interval '12 hours' < retention;
    leaf := 'publication_' || (active - ago + 8) % 8;
    EXECUTE format('SELECT EXISTS (SELECT FROM %I)', leaf) INTO filled;
    CONTINUE WHEN NOT filled;
    BEGIN
      EXECUTE format('TRUNCATE ONLY %I', leaf);
      emptied := emptied + 1;
    EXCEPTION WHEN lock_not_available THEN
      NULL;
    END;
  END LOOP;
  RETURN emptied;
END
$$;
