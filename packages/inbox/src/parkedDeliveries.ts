import type { ErrorCode, Tx } from '@oncebox/core'
import type { Tables } from '@oncebox/schema'
import type { StoredError } from './attempts.js'
import { storing } from './deadLetterCopies.js'
import type { ParkedKey } from './parkedHead.js'
import { type RecordRow, recordColumns } from './storedEnvelope.js'

/** A message that waits. */
export interface ParkedRow {
  /** Decimal text. */
  readonly number: string
  readonly source: string
  /** Its id, as stored. */
  readonly id: string
  readonly type: string
  readonly record: RecordRow
}

/**
 * The first messages of a key, in order, at most `limit`. The digest between itself and itself, and in the order of both columns:
 * said as an equality, in the order of numbers alone, they are found along the primary key as well, as the planner sees it, past
 * everything that waits of other keys.
 */
export async function readParked(
  tx: Tx,
  tables: Tables,
  group: string,
  key: ParkedKey,
  limit: number,
): Promise<ParkedRow[]> {
  const { rows } = await tx.query<RecordRow & { number: string; source: string; id: string; type: string }>(
    `SELECT number::text AS number, source, message_id AS id, type, ${recordColumns}
     FROM ${tables.parkedDelivery} AS parked
     WHERE consumer = $1::text AND topic = $2::text
       AND key_digest >= decode($3::text, 'hex') AND key_digest <= decode($3::text, 'hex')
     ORDER BY key_digest, parked.number LIMIT $4::integer`,
    [group, key.topic, key.digest, limit],
  )
  return rows.map(({ number, source, id, type, ...record }) => ({ number, source, id, type, record }))
}

export async function firstParked(tx: Tx, tables: Tables, group: string, key: ParkedKey): Promise<ParkedRow | null> {
  return (await readParked(tx, tables, group, key, 1))[0] ?? null
}

export async function deleteParked(tx: Tx, tables: Tables, rows: readonly Pick<ParkedRow, 'number'>[]): Promise<void> {
  await tx.query(
    `DELETE FROM ${tables.parkedDelivery} AS parked USING json_array_elements_text($1::text::json) AS done
     WHERE parked.number = done::bigint`,
    [JSON.stringify(rows.map(({ number }) => number))],
  )
}

/** Moves a parked message to the dead letters. `error` null: the one its last attempt has left. `copied`: and to the dead-letter topic. False: it is gone. */
export async function buryParked(
  tx: Tx,
  tables: Tables,
  number: string,
  reason: ErrorCode,
  error: StoredError | null,
  parks: boolean,
  copied: boolean,
): Promise<boolean> {
  const buried = `buried AS (DELETE FROM ${tables.parkedDelivery} WHERE number = $1::text::bigint RETURNING *)`
  const insert = `INSERT INTO ${tables.deadLetter} AS earlier (
       consumer, source, message_id, topic, partition, record_offset, record_time, type, reason, content_type,
       key, payload, headers, error, attempts, first_failed_at, history, parks
     )
     SELECT buried.consumer, buried.source, buried.message_id, topic, partition, record_offset, record_time, type,
       $2::text, content_type, key, payload, headers, coalesce($3::text::jsonb, failed.error),
       coalesce(failed.attempts, 0), failed.first_failed_at, coalesce(failed.history, '[]'), $4::boolean
     FROM buried LEFT JOIN ${tables.attempt} AS failed USING (consumer, source, message_id)
     ON CONFLICT (consumer, source, message_id) DO UPDATE
     SET parks = excluded.parks, reason = excluded.reason, error = excluded.error, retry_at = NULL`
  const values = [number, reason, error === null ? null : JSON.stringify(error), parks]
  const { rows } = await tx.query(storing(tables, buried, insert, copied), values)
  return rows.length > 0
}
