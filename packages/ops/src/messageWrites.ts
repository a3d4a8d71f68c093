import { isUuidV7, type Tx, uuidV7Time } from '@oncebox/core'
import { tables } from '@oncebox/schema'
import { positionPast, positionsBetween, rfc3339, writtenAt } from './outboxPositions.js'
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

/** How far rows are looked through for an id, besides those of the time inside it. */
export interface Lookup {
  /** Through everything that is retained. Default false: where the id says, then through everything until it is found. */
  readonly everywhere?: boolean
  /**
   * Besides where the id says, only through so many of the newest rows: copies by a replay are among them for a while.
   * Default: `everywhere` decides.
   */
  readonly newest?: number
}

export interface FoundWrites {
  readonly writes: readonly MessageWrite[]
  /** Up to when rows were looked through, from now back: RFC 3339 in UTC; null when all were, or none had to be. */
  readonly searchedBackTo: string | null
}

export async function readWrites(tx: Tx, schema: string, id: string, lookup: Lookup): Promise<FoundWrites> {
  if (lookup.everywhere === true) return whole(await search(tx, schema, id, null, null))
  const found = isUuidV7(id) ? await searchAboutItsTime(tx, schema, id) : []
  if (lookup.newest === undefined) return whole(found.length > 0 ? found : await search(tx, schema, id, null, null))
  const bound = await positionPast(tx, tables(schema).outbox, { from: null, to: null }, lookup.newest, 'backwards')
  const newest = await search(tx, schema, id, bound, null)
  const older = found.filter(({ position }) => !newest.some((one) => one.position === position))
  return {
    writes: [...older, ...newest],
    searchedBackTo: bound === null ? null : await writtenAt(tx, tables(schema).outbox, bound),
  }
}

const whole = (writes: readonly MessageWrite[]): FoundWrites => ({ writes, searchedBackTo: null })

async function searchAboutItsTime(tx: Tx, schema: string, id: string): Promise<MessageWrite[]> {
  for (const margin of margins) {
    const time = uuidV7Time(id)
    const { from, to } = await positionsBetween(tx, tables(schema).outbox, time - margin, time + margin)
    const found = await search(tx, schema, id, from, to)
    if (found.length > 0) return found
  }
  return []
}

async function search(tx: Tx, schema: string, id: string, from: string | null, to: string | null) {
  const { outbox } = tables(schema)
  const { rows } = await tx.query<MessageWrite>(
    `SELECT position::text AS position, xid::text AS transaction,
       ${rfc3339} AS at, source, topic, key, type,
       ${rowState(tables(schema), 'written')} AS state
     FROM ${outbox} AS written
     WHERE id = $1::text::uuid
       AND ($2::text IS NULL OR position >= $2::text::bigint) AND ($3::text IS NULL OR position < $3::text::bigint)
     ORDER BY written.position`,
    [id, from, to],
  )
  return rows
}
