-- ----------------------------------------------------------------------
-- Migration 0003: emit
--
--      The outbox writer for SQL: triggers, functions, psql, any language.
--      Joins the caller's transaction; the message is published if and only if that transaction commits.
-- ----------------------------------------------------------------------

-- ----------------------------------------------------------------------
-- Function: emit_problem(topic, key, type, source, headers)
--
--      Why a message cannot be sent, or NULL. The same rules as the TypeScript writer's.
-- ----------------------------------------------------------------------
CREATE FUNCTION emit_problem(topic text, key text, type text, source text, headers jsonb) RETURNS text
  LANGUAGE sql STABLE PARALLEL SAFE
  RETURN CASE
    WHEN topic IS NULL OR topic !~ '^[a-zA-Z0-9._-]{1,249}$' OR topic IN ('.', '..')
      THEN 'the topic name is empty, longer than 249 characters, or holds a character outside a-z, A-Z, 0-9, ".", "_", "-"'
    WHEN coalesce(type, '') = '' THEN 'the type is empty'
    WHEN coalesce(source, '') = '' THEN 'the source is empty'
    WHEN headers IS NOT NULL AND jsonb_typeof(headers) <> 'object' THEN 'the headers are not a JSON object'
    WHEN headers IS NOT NULL AND EXISTS (
      SELECT FROM jsonb_each(headers) AS header (name, value)
      WHERE jsonb_typeof(header.value) <> 'string'
    ) THEN 'a header value is not a string'
    WHEN headers IS NOT NULL AND EXISTS (
      SELECT FROM jsonb_object_keys(headers) AS header (name)
      WHERE lower(header.name) LIKE 'ce\_%' OR lower(header.name) = 'content-type' OR header.name = ''
    ) THEN 'a header name is empty or reserved (ce_*, content-type)'
  END;

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
--      content_type  application/octet-stream for bytea, application/json for jsonb, text/plain for text when NULL;
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
CREATE FUNCTION emit(
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
    coalesce(content_type, CASE WHEN payload IS NOT NULL THEN 'application/octet-stream' END),
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
CREATE FUNCTION emit(
  topic text, key text, type text, payload jsonb,
  headers jsonb DEFAULT NULL, id uuid DEFAULT NULL, content_type text DEFAULT NULL, source text DEFAULT NULL
) RETURNS uuid
  LANGUAGE sql VOLATILE
  RETURN emit(
    topic, key, type, convert_to(payload::text, 'UTF8'),
    headers, id, coalesce(content_type, CASE WHEN payload IS NOT NULL THEN 'application/json' END), source
  );

-- ----------------------------------------------------------------------
-- Function: emit(topic, key, type, payload text, headers, id, content_type, source)
--
--      The same for text, sent as UTF-8.
-- ----------------------------------------------------------------------
CREATE FUNCTION emit(
  topic text, key text, type text, payload text,
  headers jsonb DEFAULT NULL, id uuid DEFAULT NULL, content_type text DEFAULT NULL, source text DEFAULT NULL
) RETURNS uuid
  LANGUAGE sql VOLATILE
  RETURN emit(
    topic, key, type, convert_to(payload, 'UTF8'),
    headers, id, coalesce(content_type, CASE WHEN payload IS NOT NULL THEN 'text/plain; charset=utf-8' END), source
  );
