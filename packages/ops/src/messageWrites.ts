import { isUuidV7, type Tx, uuidV7Time } from '@oncebox/core'
import { tables } from '@oncebox/schema'
import { positionsBetween } from './outboxPositions.js'
import { type RowState, rowState } from './rowState.js'

/** A row of the outbox. A message has several when it was replayed. */
export interface MessageWrite {
  /** Decimal text, as the transaction's number. */
  readonly position: string
  readonly transaction: string
  /** RFC 3339 in UTC. */
  readonly at: string
  readonly source: string
  readonly topic: string
  readonly key: string | null
  readonly type: string
  readonly state: RowState
}

/** Around the time inside the id; then everything that is retained. */
const margins = [2_000, 600_000]

/** `everywhere`: looks through everything that is retained, for copies by a replay. */
export async function readWrites(tx: Tx, schema: string, id: string, everywhere: boolean): Promise<MessageWrite[]> {
  const { outbox } = tables(schema)
  if (isUuidV7(id) && !everywhere) {
    for (const margin of margins) {
      const time = uuidV7Time(id)
      const { from, to } = await positionsBetween(tx, outbox, time - margin, time + margin)
      const found = await search(tx, schema, id, from, to)
      if (found.length > 0) return found
    }
  }
  return search(tx, schema, id, null, null)
}

async function search(tx: Tx, schema: string, id: string, from: string | null, to: string | null) {
  const { outbox } = tables(schema)
  const { rows } = await tx.query<MessageWrite>(
    `SELECT position::text AS position, xid::text AS transaction,
       to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at, source, topic, key, type,
       ${rowState(tables(schema), 'written')} AS state
     FROM ${outbox} AS written
     WHERE id = $1::text::uuid
       AND ($2::text IS NULL OR position >= $2::text::bigint) AND ($3::text IS NULL OR position < $3::text::bigint)
     ORDER BY written.position`,
    [id, from, to],
  )
  return rows
}
