import type { ErrorCode, Tx } from '@oncebox/core'
import type { Tables } from '@oncebox/schema'
import { storedErrorOf } from './attempts.js'
import { storing } from './deadLetterCopies.js'
import type { Item } from './decode.js'
import { envelopeColumns, envelopeOf } from './storedEnvelope.js'

/** A message the consumer gives up on, and why. */
export interface DeadLetter {
  readonly item: Item
  readonly reason: ErrorCode
  readonly error: unknown
  /** Later messages of its key wait behind it. */
  readonly parks: boolean
}

/**
 * Stores messages whole, in the transaction that records their ids. One that is stored already stays as it is. Attempts
 * and the first failure come from the table `attempt`. A record without an id that sits where another one sat before
 * its topic was made again is stored beside that one, under its time as well. `copied`: each goes to the dead-letter
 * topic too.
 */
export async function storeDeadLetters(
  tx: Tx,
  tables: Tables,
  group: string,
  letters: readonly DeadLetter[],
  copied: boolean,
): Promise<void> {
  const insert = `INSERT INTO ${tables.deadLetter} (
       consumer, source, message_id, topic, partition, record_offset, record_time, type, reason, content_type,
       key, payload, headers, error, attempts, first_failed_at, history, parks
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
       coalesce(failed.attempts, 0), failed.first_failed_at, coalesce(failed.history, '[]'), letter.parks
     FROM json_to_recordset($2::text::json) AS letter (
       ${envelopeColumns}, placed boolean, reason text, error jsonb, parks boolean
     )
     LEFT JOIN ${tables.attempt} AS failed
       ON failed.consumer = $1::text AND failed.source = letter.source AND failed.message_id = letter.message_id
     ORDER BY letter.source COLLATE "C", letter.message_id COLLATE "C"
     ON CONFLICT (consumer, source, message_id) DO NOTHING`
  await tx.query(storing(tables, '', insert, copied), [group, JSON.stringify(letters.map(rowOf))])
}

function rowOf({ item, reason, error, parks }: DeadLetter): object {
  return { ...envelopeOf(item), placed: item.id.kind === 'none', reason, error: storedErrorOf(error), parks }
}
