import { OnceboxError, type Tx } from '@oncebox/core'
import { defaultSchema, tables } from '@oncebox/schema'

/** Where a reader stands: plain data, to be handed to the next call as it is. */
export interface TailCursor {
  /** Everything visible in this snapshot was returned. */
  readonly last: string
  /** Inside a window larger than a page: its end, and the last row returned from it. */
  readonly page: { readonly upper: string; readonly xid: string; readonly position: string } | null
}

/** A message as it was written; never its payload. */
export interface TailMessage {
  /** Decimal text of a 64-bit number. */
  readonly position: string
  readonly id: string
  readonly topic: string
  readonly key: string | null
  readonly type: string
  /** When it was written: RFC 3339 in UTC. */
  readonly time: string
  /** Of the payload; 0 for a tombstone. */
  readonly bytes: number
}

export interface TailOptions {
  /** Default `oncebox`. */
  readonly schema?: string
  /** The cursor of the call before. Without one: the newest messages, and a cursor at the present. */
  readonly after?: TailCursor
  /** At most so many messages. Default 100; for the first call, 10. */
  readonly limit?: number
}

export interface TailPage {
  /** Ordered by position. */
  readonly messages: readonly TailMessage[]
  readonly after: TailCursor
  /** True when the next call has messages already. */
  readonly more: boolean
}

type Row = { [Name in keyof TailMessage]: TailMessage[Name] | null } & {
  now: string
  xid: string | null
  standby: boolean
  writing: boolean
}

const columns = `position, xid, id, topic, key, type, created_at, payload`
const selected = `found.position::text AS position, found.xid::text AS xid, found.id::text AS id, found.topic, found.key,
  found.type, to_char(found.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS time,
  coalesce(octet_length(found.payload), 0) AS bytes`
const present = `(SELECT pg_current_snapshot() AS snapshot, pg_is_in_recovery() AS standby,
  pg_current_xact_id_if_assigned() IS NOT NULL AS writing) AS present`

/**
 * The next messages that were committed since the last call, whether the relay has published them or not. Windows by
 * snapshot, as the relay reads them (design: PgQ): a message that commits late comes late, and none is passed over.
 * One statement on `tx`, which must not have written anything in its transaction.
 *
 * @throws OnceboxError `WINDOW_IN_TRANSACTION`, `DATABASE_NOT_PRIMARY` (a standby's snapshots lack what is running).
 */
export async function tail(tx: Tx, options: TailOptions = {}): Promise<TailPage> {
  const { outbox } = tables(options.schema ?? defaultSchema)
  const { after } = options
  const limit = options.limit ?? (after === undefined ? 10 : 100)
  if (!Number.isInteger(limit) || limit < 0 || limit > 10_000) {
    throw new OnceboxError('INVALID_SETTING', 'The limit of tail is not a whole number from 0 to 10000')
  }
  const rows = after === undefined ? await newest(tx, outbox, limit) : await since(tx, outbox, after, limit)
  const head = rows[0]
  if (head === undefined || head.standby) {
    throw new OnceboxError('DATABASE_NOT_PRIMARY', 'The outbox can only be followed on the primary')
  }
  if (head.writing) {
    throw new OnceboxError('WINDOW_IN_TRANSACTION', 'The outbox was followed inside a transaction that writes', {
      next: 'Use a connection without an open transaction.',
    })
  }
  const found = rows.filter((row) => row.position !== null)
  const kept = found.slice(0, limit)
  const end = after?.page?.upper ?? head.now
  const edge = kept.at(-1)
  const more = after !== undefined && found.length > limit
  const page = more ? { upper: end, xid: String(edge?.xid ?? 0), position: String(edge?.position ?? 0) } : null
  return {
    messages: kept.map(messageOf).sort((a, b) => Number(BigInt(a.position) - BigInt(b.position))),
    after: { last: more && after !== undefined ? after.last : end, page },
    more,
  }
}

async function newest(tx: Tx, outbox: string, limit: number): Promise<Row[]> {
  const { rows } = await tx.query<Row>(
    `SELECT present.snapshot::text AS now, present.standby, present.writing, ${selected}
     FROM ${present}
     LEFT JOIN LATERAL (SELECT ${columns} FROM ${outbox} ORDER BY position DESC LIMIT $1::int) AS found ON true`,
    [limit],
  )
  return rows
}

/** Ordered by xid, because that is an index over exactly one window; a page is sorted by position afterwards. */
async function since(tx: Tx, outbox: string, after: TailCursor, limit: number): Promise<Row[]> {
  const branch = (condition: string): string => `(
    SELECT ${columns} FROM ${outbox}
    WHERE ${condition}
      AND pg_visible_in_snapshot(xid, coalesce($2::pg_snapshot, pg_current_snapshot()))
      AND (xid, position) > ($3::xid8, $4::bigint)
    ORDER BY xid, position LIMIT $5::int
  )`
  const { rows } = await tx.query<Row>(
    `SELECT present.snapshot::text AS now, present.standby, present.writing, ${selected}
     FROM ${present}
     LEFT JOIN LATERAL (
       SELECT * FROM (
         ${branch('xid >= pg_snapshot_xmax($1::pg_snapshot) AND xid < pg_snapshot_xmax(coalesce($2::pg_snapshot, pg_current_snapshot()))')}
         UNION ALL
         ${branch('xid = ANY (ARRAY(SELECT pg_snapshot_xip($1::pg_snapshot)))')}
       ) AS window_rows ORDER BY xid, position LIMIT $5::int
     ) AS found ON true`,
    [after.last, after.page?.upper ?? null, after.page?.xid ?? '0', after.page?.position ?? '0', limit + 1],
  )
  return rows.sort((a, b) => compare(a.xid, b.xid) || compare(a.position, b.position))
}

function compare(a: string | null, b: string | null): number {
  const [left, right] = [BigInt(a ?? 0), BigInt(b ?? 0)]
  return left < right ? -1 : left > right ? 1 : 0
}

function messageOf(row: Row): TailMessage {
  return {
    position: String(row.position),
    id: String(row.id),
    topic: String(row.topic),
    key: row.key,
    type: String(row.type),
    time: String(row.time),
    bytes: Number(row.bytes),
  }
}
