import { OnceboxError, type Tx } from '@oncebox/core'
import type { TailCondition } from './tailFilter.js'

/** A message as it was written; never its payload. */
export interface TailMessage {
  /** Decimal text of a 64-bit number. */
  readonly position: string
  readonly id: string
  readonly topic: string
  readonly key: string | null
  readonly type: string
  /** When it was written: RFC 3339 in UTC, microseconds. */
  readonly time: string
  /** Of the payload; 0 for a tombstone. */
  readonly bytes: number
}

/** Where messages are read, and which of them. */
export interface TailSource {
  readonly outbox: string
  /** The condition, with parameters numbered from `first` on. */
  where(first: number): TailCondition
}

/** A filter that finds little must not go through everything retained. */
const lookedThrough = 10_000

interface Found {
  readonly messages: TailMessage[]
  /** The snapshot of the statement, in its text form. */
  readonly now: string
}

type Row = { [Name in keyof TailMessage]: TailMessage[Name] | null } & {
  readonly now: string
  readonly standby: boolean
  readonly writing: boolean
}

const raw = 'position, id, topic, key, type, created_at, payload'
const shown = `found.position::text AS position, found.id::text AS id, found.topic, found.key, found.type,
  to_char(found.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS time,
  coalesce(octet_length(found.payload), 0) AS bytes`
const present = `pg_current_snapshot()::text AS now, pg_is_in_recovery() AS standby,
  pg_current_xact_id_if_assigned() IS NOT NULL AS writing`

/** The newest messages, the newest first, and the snapshot they were seen in. */
export async function readNewest(tx: Tx, { outbox, where }: TailSource, limit: number): Promise<Found> {
  const { sql, values, open } = where(2)
  const newest = open
    ? outbox
    : `(SELECT ${raw} FROM ${outbox} ORDER BY position DESC LIMIT ${lookedThrough}) AS newest`
  const { rows } = await tx.query<Row>(
    `SELECT ${present}, ${shown}
     FROM (VALUES (1)) AS always
     LEFT JOIN (SELECT ${raw} FROM ${newest} WHERE ${sql} ORDER BY position DESC LIMIT $1::int) AS found ON true
     ORDER BY found.position DESC`,
    [limit, ...values],
  )
  return checked(rows)
}

/** Up to `limit` of the messages that the snapshot `last` did not see, by position, and the snapshot they were seen in. */
export async function readWindow(tx: Tx, { outbox, where }: TailSource, last: string, limit: number): Promise<Found> {
  const { sql, values } = where(3)
  const { rows } = await tx.query<Row>(
    `SELECT ${present}, ${shown}
     FROM (VALUES (1)) AS always
     LEFT JOIN (
       (SELECT ${raw} FROM ${outbox} WHERE ${later} AND ${sql} ORDER BY xid LIMIT $2::int)
       UNION ALL
       (SELECT ${raw} FROM ${outbox} WHERE ${wasRunning} AND ${sql} ORDER BY xid LIMIT $2::int)
     ) AS found ON true
     ORDER BY found.position`,
    [last, limit, ...values],
  )
  return checked(rows)
}

const later = 'xid >= pg_snapshot_xmax($1::pg_snapshot)'
const wasRunning = 'xid = ANY (ARRAY(SELECT pg_snapshot_xip($1::pg_snapshot)))'

/**
 * The positions between which the window from `last` to `upper` lies; `position` is one below the first. OFFSET 0 keeps
 * the planner from looking for the minimum along the index on position, over everything retained.
 */
export async function readBounds(
  tx: Tx,
  { outbox, where }: TailSource,
  last: string,
  upper: string,
): Promise<{ position: string; end: string }> {
  const { sql, values } = where(3)
  const { rows } = await tx.query<{ position: string; end: string }>(
    `SELECT (min(position) - 1)::text AS position, max(position)::text AS "end"
     FROM (
       SELECT position FROM ${outbox} WHERE ${later} AND ${sql} AND pg_visible_in_snapshot(xid, $2::pg_snapshot)
       UNION ALL
       SELECT position FROM ${outbox} WHERE ${wasRunning} AND ${sql} AND pg_visible_in_snapshot(xid, $2::pg_snapshot)
       OFFSET 0
     ) AS in_window`,
    [last, upper, ...values],
  )
  return { position: rows[0]?.position ?? '0', end: rows[0]?.end ?? '0' }
}

/** Up to `limit` messages of the window from `last` to `upper`, by position, from behind `position` up to `end`. */
export async function readPage(
  tx: Tx,
  { outbox, where }: TailSource,
  page: { last: string; upper: string; position: string; end: string },
  limit: number,
): Promise<TailMessage[]> {
  const { sql, values } = where(6)
  const { rows } = await tx.query<TailMessage>(
    `SELECT ${shown}
     FROM ${outbox} AS found
     WHERE position > $3::bigint AND position <= $4::bigint AND ${sql}
       AND pg_visible_in_snapshot(xid, $2::pg_snapshot) AND NOT pg_visible_in_snapshot(xid, $1::pg_snapshot)
     ORDER BY found.position LIMIT $5::int`,
    [page.last, page.upper, page.position, page.end, limit, ...values],
  )
  return rows
}

/** Refuses a snapshot that lacks running transactions: on a standby all of them, in a writing transaction its own. */
function checked(rows: readonly Row[]): Found {
  const head = rows[0]
  if (head === undefined || head.standby) {
    throw new OnceboxError('DATABASE_NOT_PRIMARY', 'The outbox can only be followed on the primary', {
      next: 'Connect to the primary.',
    })
  }
  if (head.writing) {
    throw new OnceboxError('WINDOW_IN_TRANSACTION', 'The outbox was followed inside a transaction that writes', {
      next: 'Use a connection without an open transaction.',
    })
  }
  const messages = rows
    .filter((row) => row.position !== null)
    .map(({ now: _now, standby: _standby, writing: _writing, ...message }) => message as TailMessage)
  return { messages, now: head.now }
}
