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

/** Counts a failed attempt and answers how many there are now. In a transaction of its own: the batch's rolled back. */
export async function recordAttempt(
  tx: Tx,
  tables: Tables,
  group: string,
  id: MessageId,
  error: StoredError,
): Promise<number> {
  const { rows } = await tx.query<{ attempts: number }>(
    `INSERT INTO ${tables.attempt} AS earlier (consumer, source, message_id, error)
     VALUES ($1::text, $2::text, $3::text, $4::text::jsonb)
     ON CONFLICT (consumer, source, message_id) DO UPDATE
     SET attempts = earlier.attempts + 1, last_failed_at = clock_timestamp(), error = excluded.error
     RETURNING attempts`,
    [group, id.source, id.id, JSON.stringify(error)],
  )
  return rows[0]?.attempts ?? 1
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
export async function forgetAttempts(tx: Tx, tables: Tables, group: string, ids: readonly MessageId[]): Promise<void> {
  await tx.query(
    `DELETE FROM ${tables.attempt} AS failed
     USING json_array_elements($2::text::json) AS pair
     WHERE failed.consumer = $1::text AND failed.source = pair ->> 0 AND failed.message_id = pair ->> 1`,
    [group, pairs(ids)],
  )
}

function pairs(ids: readonly MessageId[]): string {
  return JSON.stringify(ids.map((id) => [id.source, id.id]))
}

/** jsonb takes neither NUL nor lone surrogates. */
function clean(text: string): string {
  return text.slice(0, longestText).replaceAll('\0', '\uFFFD').toWellFormed()
}
