import { quoteIdentifier } from '@oncebox/core'

export interface Statements {
  readonly emit: string
  readonly schedule: string
  readonly emitMany: string
  readonly emitManyScheduled: string
}

/**
 * The SQL of the writer.
 *
 * The columns are listed, and position, xid and slot are left to their defaults: producers hold no rights on them.
 * Every statement raises `synchronous_commit` from off to on for the transaction, or the relay could publish a row that
 * a crash then takes back. RETURNING names no column, which would need the right to read.
 */
export function statements(schema: string): Statements {
  const quoted = quoteIdentifier(schema)
  const columns = 'id, source, topic, key, type, content_type, headers, payload'
  const values = '$1::uuid, $2::text, $3::text, $4::text, $5::text, $6::text, $7::jsonb, $8::bytea'
  const durable =
    "CASE WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'on', true) END"
  // $1: a JSON array of messages. $2: the source. $3: all payloads, end to end; "at" counts from 1.
  // Less work than base64 inside the JSON, on either side. The rows leave the function in the order of the array, and
  // take their positions in it. A subquery that depends on nothing runs once for all of them.
  const messages = `json_to_recordset($1::json) AS message (
      id uuid, topic text, key text, type text, content_type text, headers jsonb, at integer, length integer, due_at timestamptz
    )`
  const selected = 'id, $2::text, topic, key, type, content_type, headers, substring($3::bytea FROM at FOR length)'
  const once = `(SELECT ${durable}) IS DISTINCT FROM 'off'`
  return {
    emit: `INSERT INTO ${quoted}.outbox (${columns}) VALUES (${values}) RETURNING ${durable}`,
    schedule: `INSERT INTO ${quoted}.scheduled (${columns}, due_at) VALUES (${values}, $9::timestamptz) RETURNING ${durable}`,
    emitMany: `INSERT INTO ${quoted}.outbox (${columns})
      SELECT ${selected} FROM ${messages} WHERE ${once}`,
    emitManyScheduled: `WITH message AS MATERIALIZED (
        SELECT * FROM ${messages} WHERE ${once}
      ), later AS (
        INSERT INTO ${quoted}.scheduled (${columns}, due_at)
        SELECT ${selected}, due_at FROM message WHERE due_at IS NOT NULL
      )
      INSERT INTO ${quoted}.outbox (${columns})
      SELECT ${selected} FROM message WHERE due_at IS NULL`,
  }
}
