import { OnceboxError, sqlState, type Tx } from '@oncebox/core'
import type { Tables } from '@oncebox/schema'
import { foreignIdentity, type MessageId } from './messageId.js'

/** An error as the tables `attempt` and `dead_letter` keep it; it may quote the payload, which stands there too. */
export interface StoredError {
  readonly name: string
  readonly message: string
  readonly code?: string
  readonly stack?: string
}

const longestText = 4000

export function storedErrorOf(error: unknown): StoredError {
  if (!(error instanceof Error)) return { name: typeof error, message: clean(String(error)) }
  const code = error instanceof OnceboxError ? error.code : sqlState(error)
  return {
    name: clean(error.name),
    message: clean(error.message),
    ...(code === undefined ? {} : { code }),
    ...(error.stack === undefined ? {} : { stack: clean(error.stack) }),
  }
}

const historyEntry = `jsonb_build_object('at', clock_timestamp(), 'name', $4::text::jsonb -> 'name', 'code', $4::text::jsonb -> 'code')`
const lastOfHistory = `CASE WHEN jsonb_array_length(earlier.history) >= 20 THEN earlier.history - 0 ELSE earlier.history END`

/**
 * Counts a failed attempt and answers how many there are now. In a transaction of its own: the batch's rolled back.
 * `started`: it was counted by `startAttempt`, and only its error is new.
 */
export async function recordAttempt(
  tx: Tx,
  tables: Tables,
  group: string,
  id: MessageId,
  error: StoredError,
  started: boolean,
): Promise<number> {
  const { rows } = await tx.query<{ attempts: number }>(
    `INSERT INTO ${tables.attempt} AS earlier (consumer, source, message_id, error, history)
     VALUES ($1::text, $2::text, $3::text, $4::text::jsonb, jsonb_build_array(${historyEntry}))
     ON CONFLICT (consumer, source, message_id) DO UPDATE
     SET attempts = earlier.attempts + CASE WHEN $5::boolean THEN 0 ELSE 1 END,
       last_failed_at = clock_timestamp(), error = excluded.error,
       history = CASE WHEN $5::boolean THEN earlier.history - (-1) ELSE ${lastOfHistory} END || excluded.history
     RETURNING attempts`,
    [group, id.source, id.id, JSON.stringify(error), started],
  )
  return rows[0]?.attempts ?? 1
}

/**
 * Counts an attempt that is about to begin, as one that its process did not survive; committed before the handler is
 * called. Answers how many there are now, or null where `limit` is reached already (null: there is none).
 */
export async function startAttempt(
  tx: Tx,
  tables: Tables,
  group: string,
  id: Pick<MessageId, 'source' | 'id'>,
  limit: number | null,
): Promise<number | null> {
  const { rows } = await tx.query<{ attempts: number }>(
    `INSERT INTO ${tables.attempt} AS earlier (consumer, source, message_id, error, history)
     VALUES ($1::text, $2::text, $3::text, $4::text::jsonb, jsonb_build_array(${historyEntry}))
     ON CONFLICT (consumer, source, message_id) DO UPDATE
     SET attempts = earlier.attempts + 1, last_failed_at = clock_timestamp(), error = excluded.error,
       history = ${lastOfHistory} || excluded.history
     WHERE $5::integer IS NULL OR earlier.attempts < $5::integer
     RETURNING attempts`,
    [group, id.source, id.id, JSON.stringify(storedErrorOf(consumerDied())), limit],
  )
  return rows[0]?.attempts ?? null
}

/** Takes a started attempt back that ended without being the message's fault. */
export async function takeBackAttempt(
  tx: Tx,
  tables: Tables,
  group: string,
  id: Pick<MessageId, 'source' | 'id'>,
): Promise<void> {
  const which = 'consumer = $1::text AND source = $2::text AND message_id = $3::text'
  const values = [group, id.source, id.id]
  await tx.query(
    `UPDATE ${tables.attempt} SET attempts = attempts - 1, history = history - (-1) WHERE ${which} AND attempts > 0`,
    values,
  )
  await tx.query(`DELETE FROM ${tables.attempt} WHERE ${which} AND attempts = 0`, values)
}

export function consumerDied(): OnceboxError {
  return new OnceboxError('CONSUMER_DIED', 'The process ended while the handler of this message ran', {
    next: 'Look why (exit, memory, native code), mend the handler, then retry the dead letter.',
  })
}

/** Failed attempts so far, by identity, for those messages that have any. */
export async function readAttempts(
  tx: Tx,
  tables: Tables,
  group: string,
  ids: readonly MessageId[],
): Promise<ReadonlyMap<string, number>> {
  const { rows } = await tx.query<{ source: string; id: string; attempts: number }>(
    `SELECT failed.source, failed.message_id AS id, failed.attempts
     FROM json_array_elements($2::text::json) AS pair
     JOIN ${tables.attempt} AS failed
       ON failed.consumer = $1::text AND failed.source = pair ->> 0 AND failed.message_id = pair ->> 1`,
    [group, pairs(ids)],
  )
  const byKey = new Map(rows.map((row) => [foreignIdentity(row.source, row.id), row.attempts]))
  const attempts = new Map<string, number>()
  for (const id of ids) {
    const count = byKey.get(foreignIdentity(id.source, id.id))
    if (count !== undefined) attempts.set(id.identity, count)
  }
  return attempts
}

/** Forgets the attempts of messages that are settled, in the transaction that settles them. */
export async function forgetAttempts(
  tx: Tx,
  tables: Tables,
  group: string,
  ids: readonly Pick<MessageId, 'source' | 'id'>[],
): Promise<void> {
  await tx.query(
    `DELETE FROM ${tables.attempt} AS failed
     USING json_array_elements($2::text::json) AS pair
     WHERE failed.consumer = $1::text AND failed.source = pair ->> 0 AND failed.message_id = pair ->> 1`,
    [group, pairs(ids)],
  )
}

function pairs(ids: readonly Pick<MessageId, 'source' | 'id'>[]): string {
  return JSON.stringify(ids.map((id) => [id.source, id.id]))
}

/** jsonb takes neither NUL nor lone surrogates. */
function clean(text: string): string {
  return text.slice(0, longestText).replaceAll('\0', '\uFFFD').toWellFormed()
}
