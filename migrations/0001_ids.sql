-- ----------------------------------------------------------------------
-- Migration 0001: ids
--
--      The time inside global ids, and ids for producers that write in SQL.
--      Every migration runs with the oncebox schema first in search_path, so names stand unqualified here;
--      functions keep that path, or are bound to their objects when they are created.
-- ----------------------------------------------------------------------

-- ----------------------------------------------------------------------
-- Function: uuid_v7()
--
--      A UUID version 7 (RFC 9562, section 5.7): 48 bits of milliseconds, then random bits.
--      Postgres 18 has one of its own; this one serves 14 to 17 as well.
--
-- Returns:
--      a new id carrying clock_timestamp()
-- ----------------------------------------------------------------------
CREATE FUNCTION uuid_v7() RETURNS uuid
  LANGUAGE sql VOLATILE PARALLEL SAFE
  RETURN encode(
    set_bit(
      set_bit(
        overlay(
          uuid_send(gen_random_uuid())
          PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
          FROM 1 FOR 6
        ),
        52, 1
      ),
      53, 1
    ),
    'hex'
  )::uuid;

-- ----------------------------------------------------------------------
-- Function: uuid_time(id)
--
-- Returns:
--      the milliseconds since the Unix epoch in the first 48 bits of a UUID version 7
-- ----------------------------------------------------------------------
CREATE FUNCTION uuid_time(id uuid) RETURNS bigint
  LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  RETURN ('x' || substr(id::text, 1, 8) || substr(id::text, 10, 4))::bit(48)::bigint;
