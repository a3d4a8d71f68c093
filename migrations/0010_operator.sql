-- ----------------------------------------------------------------------
-- Migration 0010: operator
--
--      What an operator asks for: publishing paused by lane or topic, another number of lanes, messages once more for one
--      consumer group. Who, when and why stay.
-- ----------------------------------------------------------------------

-- ----------------------------------------------------------------------
-- Table: pause
--
--      A row a pause, of a lane or of a topic; in force until resumed_at. Relays look about once a second.
-- ----------------------------------------------------------------------
CREATE TABLE pause (
  number      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  paused_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  resumed_at  timestamptz,
  lane        smallint,
  topic       text,
  paused_by   text NOT NULL,
  paused_why  text,
  resumed_by  text,
  resumed_why text,
  CHECK (num_nonnulls(lane, topic) = 1)
);
CREATE UNIQUE INDEX pause_lane ON pause (lane) WHERE resumed_at IS NULL;
CREATE UNIQUE INDEX pause_topic ON pause (topic) WHERE resumed_at IS NULL;

-- ----------------------------------------------------------------------
-- Function: common_snapshot(snapshots)
--
--      The snapshot in which exactly that is visible which is visible in all of them.
-- ----------------------------------------------------------------------
CREATE FUNCTION common_snapshot(snapshots pg_snapshot[]) RETURNS pg_snapshot
  LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  RETURN (
    WITH each AS (
      SELECT one FROM unnest(snapshots) AS one
    ), bound AS (
      SELECT min(pg_snapshot_xmax(one)::text::numeric) AS xmax FROM each
    ), running AS (
      SELECT DISTINCT xid::text::numeric AS xid
      FROM each, pg_snapshot_xip(one) AS xid, bound
      WHERE xid::text::numeric < bound.xmax
    )
    SELECT concat(
      coalesce((SELECT min(xid) FROM running), xmax), ':', xmax, ':', (SELECT string_agg(xid::text, ',' ORDER BY xid) FROM running)
    )::pg_snapshot
    FROM bound
  );

-- ----------------------------------------------------------------------
-- Function: change_lanes(wanted)
--
--      Shares the keys out over another number of lanes, while relays run or not. Every lane begins where all lanes before
--      had got to, and all leases end. Runs with the rights of the schema's owner, so that whoever may call it need not be
--      able to move a cursor anywhere else.
--
-- Parameters:
--      wanted        1 to 64
--
-- Returns:
--      lanes_before  how many there were
--      exact         the lanes stood alike: only what running relays have not written down yet is published twice
--
-- Note:
--      READ COMMITTED only: what the lock waited for has to be seen.
-- ----------------------------------------------------------------------
CREATE FUNCTION change_lanes(wanted integer, OUT lanes_before integer, OUT exact boolean)
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER
  SET search_path FROM CURRENT
AS $$
DECLARE
  common_last pg_snapshot;
  common_upper pg_snapshot;
  common_position bigint;
BEGIN
  IF wanted IS NULL OR wanted NOT BETWEEN 1 AND 64 THEN
    RAISE EXCEPTION 'oncebox: the number of lanes is not one from 1 to 64' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'oncebox: the number of lanes is changed in READ COMMITTED only' USING ERRCODE = 'invalid_transaction_state';
  END IF;
  LOCK TABLE relay_cursor IN SHARE ROW EXCLUSIVE MODE;
  SELECT count(*),
    count(DISTINCT (last_snapshot::text, upper_snapshot::text, page_position)) = 1,
    CASE WHEN count(DISTINCT (last_snapshot::text, upper_snapshot::text)) = 1
      THEN min(last_snapshot::text)::pg_snapshot ELSE common_snapshot(array_agg(last_snapshot)) END,
    CASE WHEN count(DISTINCT (last_snapshot::text, upper_snapshot::text)) = 1
      THEN min(upper_snapshot::text)::pg_snapshot END,
    CASE WHEN count(DISTINCT (last_snapshot::text, upper_snapshot::text)) = 1 THEN min(page_position) END
  INTO lanes_before, exact, common_last, common_upper, common_position
  FROM relay_cursor;
  IF lanes_before = wanted THEN
    exact := true;
    RETURN;
  END IF;
  DELETE FROM relay_cursor WHERE lane >= wanted;
  UPDATE relay_cursor
  SET epoch = epoch + 1, token = NULL, holder = NULL, expires_at = NULL,
    last_snapshot = common_last, upper_snapshot = common_upper, page_position = common_position;
  INSERT INTO relay_cursor (lane, last_snapshot, upper_snapshot, page_position)
  SELECT each, common_last, common_upper, common_position FROM generate_series(lanes_before, wanted - 1) AS each;
  UPDATE parked SET lane = (hashtextextended(coalesce(key, ''), 0) & 9223372036854775807) % wanted;
  UPDATE pause SET resumed_at = clock_timestamp(), resumed_by = 'oncebox', resumed_why = 'the lane was removed'
  WHERE lane >= wanted AND resumed_at IS NULL;
END
$$;

REVOKE EXECUTE ON FUNCTION change_lanes(integer) FROM PUBLIC;

-- ----------------------------------------------------------------------
-- Table: replay_run
--
--      A replay for one consumer group, in the group's database. after_position moves on in the transaction that asks, so a
--      run that was stopped goes on exactly there. wanted says which messages, and where in the outbox they end.
-- ----------------------------------------------------------------------
CREATE TABLE replay_run (
  run            uuid PRIMARY KEY,
  asked_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended_at       timestamptz,
  after_position bigint NOT NULL,
  messages       integer NOT NULL,
  consumer       text NOT NULL,
  asked_by       text NOT NULL,
  why            text NOT NULL,
  wanted         jsonb NOT NULL
);

-- ----------------------------------------------------------------------
-- Table: replay_request
--
--      The messages a run has asked for, each once however often the run was started.
-- ----------------------------------------------------------------------
CREATE TABLE replay_request (
  run        uuid NOT NULL REFERENCES replay_run,
  asked_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  message_id uuid NOT NULL,
  PRIMARY KEY (run, message_id)
);
CREATE INDEX replay_request_message ON replay_request (message_id);
