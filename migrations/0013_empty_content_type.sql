-- ----------------------------------------------------------------------
-- Migration 0013: an empty content type
--
--      Of a message that was emitted with an empty content type, consumers could not tell what its payload is: it came to
--      handlers as bytes. An empty one is the same as none from here on, and the payload's own is stored.
-- ----------------------------------------------------------------------

-- ----------------------------------------------------------------------
-- Function: emit(topic, key, type, payload bytea, headers, id, content_type, source)
--
--      Writes one message to the outbox.
--
-- Parameters:
--      topic         Kafka topic name
--      key           ordering key; NULL: the message has no order
--      type          CloudEvents type
--      payload       the value as it is sent; NULL: a tombstone. At most 900,000 bytes, headers included
--      headers       JSON object of strings
--      id            the global id; a new UUIDv7 when NULL
--      content_type  application/octet-stream for bytea, application/json for jsonb, text/plain for text when NULL or empty;
--                    a tombstone has none of its own
--      source        CloudEvents source; the database's name when NULL
--
-- Returns:
--      the global id
--
-- Raises:
--      22023 (invalid_parameter_value) before anything is written, with a hint
--
-- Note:
--      Raises synchronous_commit from off to on for the transaction: otherwise the relay could publish a row that a
--      crash then takes back.
-- ----------------------------------------------------------------------
CREATE OR REPLACE FUNCTION emit(
  topic text, key text, type text, payload bytea,
  headers jsonb DEFAULT NULL, id uuid DEFAULT NULL, content_type text DEFAULT NULL, source text DEFAULT NULL
) RETURNS uuid
  LANGUAGE plpgsql VOLATILE
  SET search_path FROM CURRENT
AS $$
#variable_conflict use_variable
DECLARE
  new_id uuid := coalesce(id, uuid_v7());
  new_source text := coalesce(source, current_database());
  problem text := emit_problem(topic, key, type, new_source, headers);
BEGIN
  IF problem IS NULL AND coalesce(octet_length(payload), 0) + coalesce(octet_length(headers::text), 0) > 900000 THEN
    problem := 'payload and headers are larger than 900000 bytes';
  END IF;
  IF problem IS NULL
    AND coalesce(octet_length(key), 0) + octet_length(type) + coalesce(octet_length(content_type), 0) > 100000
  THEN
    problem := 'key, type and content type are larger than 100000 bytes';
  END IF;
  IF problem IS NOT NULL THEN
    RAISE EXCEPTION 'oncebox: message refused: %', problem
      USING ERRCODE = 'invalid_parameter_value', HINT = 'Mend the arguments of emit; nothing was written.';
  END IF;
  IF current_setting('synchronous_commit') = 'off' THEN
    PERFORM set_config('synchronous_commit', 'on', true);
  END IF;
  INSERT INTO outbox (id, source, topic, key, type, content_type, headers, payload)
  VALUES (
    new_id, new_source, topic, key, type,
    coalesce(nullif(content_type, ''), CASE WHEN payload IS NOT NULL THEN 'application/octet-stream' END),
    headers, payload
  );
  RETURN new_id;
END
$$;

-- ----------------------------------------------------------------------
-- Function: emit(topic, key, type, payload jsonb, headers, id, content_type, source)
--
--      The same for JSON.
-- ----------------------------------------------------------------------
CREATE OR REPLACE FUNCTION emit(
  topic text, key text, type text, payload jsonb,
  headers jsonb DEFAULT NULL, id uuid DEFAULT NULL, content_type text DEFAULT NULL, source text DEFAULT NULL
) RETURNS uuid
  LANGUAGE sql VOLATILE
  RETURN emit(
    topic, key, type, convert_to(payload::text, 'UTF8'),
    headers, id, coalesce(nullif(content_type, ''), CASE WHEN payload IS NOT NULL THEN 'application/json' END), source
  );

-- ----------------------------------------------------------------------
-- Function: emit(topic, key, type, payload text, headers, id, content_type, source)
--
--      The same for text, sent as UTF-8.
-- ----------------------------------------------------------------------
CREATE OR REPLACE FUNCTION emit(
  topic text, key text, type text, payload text,
  headers jsonb DEFAULT NULL, id uuid DEFAULT NULL, content_type text DEFAULT NULL, source text DEFAULT NULL
) RETURNS uuid
  LANGUAGE sql VOLATILE
  RETURN emit(
    topic, key, type, convert_to(payload, 'UTF8'),
    headers, id, coalesce(nullif(content_type, ''), CASE WHEN payload IS NOT NULL THEN 'text/plain; charset=utf-8' END), source
  );
