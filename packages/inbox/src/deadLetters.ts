import type { ErrorCode, Tx } from '@oncebox/core'
import type { Tables } from '@oncebox/schema'
import { storedErrorOf } from './attempts.js'
import type { Item } from './decode.js'
import { storable } from './messageId.js'

/** A message the consumer gives up on, and why. */
export interface DeadLetter {
  readonly item: Item
  readonly reason: ErrorCode
  readonly error: unknown
}

/**
 * Stores messages whole, in the transaction that records their ids. One that is stored already stays as it is. Attempts
 * and the first failure come from the table `attempt`. A record without an id that sits where another one sat before
 * its topic was made again is stored beside that one, under its time as well.
 */
export async function storeDeadLetters(
  tx: Tx,
  tables: Tables,
  group: string,
  letters: readonly DeadLetter[],
): Promise<void> {
  await tx.query(
    `INSERT INTO ${tables.deadLetter} (
       consumer, source, message_id, topic, partition, record_offset, record_time, type, reason, content_type,
       key, payload, headers, error, attempts, first_failed_at
     )
     SELECT $1::text, letter.source,
       CASE WHEN letter.placed AND EXISTS (
         SELECT FROM ${tables.deadLetter} AS other
         WHERE other.consumer = $1::text AND other.source = letter.source AND other.message_id = letter.message_id
           AND other.record_time <> to_timestamp(letter.time_ms / 1000.0)
       ) THEN letter.message_id || '@' || letter.time_ms ELSE letter.message_id END,
       letter.topic, letter.partition, letter.record_offset, to_timestamp(letter.time_ms / 1000.0),
       letter.type, letter.reason, letter.content_type,
       decode(letter.key, 'base64'), decode(letter.payload, 'base64'), letter.headers, letter.error,
       coalesce(failed.attempts, 0), failed.first_failed_at
     FROM json_to_recordset($2::text::json) AS letter (
       source text, message_id text, placed boolean, topic text, partition integer, record_offset bigint,
       time_ms bigint, type text, reason text, content_type text, key text, payload text, headers jsonb, error jsonb
     )
     LEFT JOIN ${tables.attempt} AS failed
       ON failed.consumer = $1::text AND failed.source = letter.source AND failed.message_id = letter.message_id
     ORDER BY letter.source COLLATE "C", letter.message_id COLLATE "C"
     ON CONFLICT (consumer, source, message_id) DO NOTHING`,
    [group, JSON.stringify(letters.map(rowOf))],
  )
}

function rowOf({ item, reason, error }: DeadLetter): object {
  const { record, id } = item
  return {
    source: id.source,
    message_id: id.id,
    placed: id.kind === 'none',
    topic: record.topic,
    partition: record.partition,
    record_offset: record.offset,
    time_ms: storableTime(record.timestamp),
    type: storable(item.type),
    reason,
    content_type: item.contentType === null ? null : storable(item.contentType),
    key: base64(record.key),
    payload: base64(record.value),
    headers: record.headers.map(([name, value]) => [storable(name), base64(value)]),
    error: storedErrorOf(error),
  }
}

function base64(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}

/** A record's time may be any 64-bit number; timestamptz holds fewer. */
function storableTime(ms: number): number {
  return Number.isFinite(ms) && ms >= 0 && ms <= 8.64e15 ? Math.trunc(ms) : 0
}
