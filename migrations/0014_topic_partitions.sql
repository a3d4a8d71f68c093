-- ----------------------------------------------------------------------
-- Migration 0014: partitions of topics
--
--      A topic that got more partitions takes them into use when an operator says so. Who, when and why stay.
-- ----------------------------------------------------------------------

-- ----------------------------------------------------------------------
-- Table: topic_repin
--
--      A row a change of pinned_topic. What was published before repinned_at lies where partitions_before put it: nothing of
--      the topic is published around that moment, because it is paused.
-- ----------------------------------------------------------------------
CREATE TABLE topic_repin (
  number            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  repinned_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
  partitions_before integer NOT NULL,
  partitions        integer NOT NULL,
  topic             text NOT NULL,
  repinned_by       text NOT NULL,
  repinned_why      text
);

-- ----------------------------------------------------------------------
-- Function: repin_topic(of_topic, wanted, decided_by, decided_why)
--
--      Spreads the keys of a paused topic over another number of partitions. All leases end in the same transaction, so no
--      relay goes on with the number that it knew: what it still sends it cannot write down, and whoever holds its lane next
--      finds the topic paused, and the new number. Runs with the rights of the schema's owner, so that whoever may call it
--      need not be able to move a cursor or to pin anything else.
--
-- Parameters:
--      of_topic      the topic
--      wanted        how many partitions it has now
--      decided_by    who decides
--      decided_why   why; NULL when it is not said
--
-- Returns:
--      before        how many there were; NULL: no relay has published to the topic yet
--      is_paused     whether the topic is paused
--      held_back     whether messages of it are parked for another reason than the pause
--      changed       whether anything was changed: it was paused, nothing was held back, and the number is another one
--
-- Note:
--      READ COMMITTED only: what the locks waited for has to be seen.
-- ----------------------------------------------------------------------
CREATE FUNCTION repin_topic(
  of_topic text, wanted integer, decided_by text, decided_why text,
  OUT before integer, OUT is_paused boolean, OUT held_back boolean, OUT changed boolean
)
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER
  SET search_path FROM CURRENT
AS $$
BEGIN
  IF wanted IS NULL OR wanted < 1 THEN
    RAISE EXCEPTION 'oncebox: the number of partitions is not one from 1 on' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'oncebox: a topic is pinned anew in READ COMMITTED only' USING ERRCODE = 'invalid_transaction_state';
  END IF;
  PERFORM FROM pause WHERE topic = of_topic AND resumed_at IS NULL FOR UPDATE;
  is_paused := FOUND;
  held_back := EXISTS (SELECT FROM parked WHERE topic = of_topic AND reason <> 'PAUSED');
  SELECT partitions INTO before FROM pinned_topic WHERE topic = of_topic FOR UPDATE;
  changed := coalesce(is_paused AND NOT held_back AND before <> wanted, false);
  IF NOT changed THEN
    RETURN;
  END IF;
  LOCK TABLE relay_cursor IN SHARE ROW EXCLUSIVE MODE;
  UPDATE relay_cursor SET epoch = epoch + 1, token = NULL, holder = NULL, expires_at = NULL;
  UPDATE pinned_topic SET partitions = wanted, pinned_at = clock_timestamp() WHERE topic = of_topic;
  INSERT INTO topic_repin (topic, partitions_before, partitions, repinned_by, repinned_why)
  VALUES (of_topic, before, wanted, decided_by, decided_why);
END
$$;

REVOKE EXECUTE ON FUNCTION repin_topic(text, integer, text, text) FROM PUBLIC;
