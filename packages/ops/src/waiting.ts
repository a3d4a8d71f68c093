import type { Tx } from '@oncebox/core'
import { laneOfKey, outboxRing, tables } from '@oncebox/schema'

/** How far a lane got, as `relay_cursor` keeps it: snapshots and position in their text form. */
export interface LanePosition {
  readonly last: string
  /** While a large window is paged: its end, and the last position done in it. */
  readonly upper: string | null
  readonly page: string | null
  readonly lane: number
  /** How many lanes share the keys. */
  readonly lanes: number
}

export interface Waiting {
  readonly waiting: number
  readonly waitingExact: boolean
  readonly oldestSeconds: number | null
}

/** Counted exactly up to here. */
const exactUpTo = 10_000

/**
 * Counts what a lane has still to publish. Reads at most 10,001 rows a branch, each in the order of an index, so that
 * retained rows are never scanned: ORDER BY with LIMIT keeps the planner on the index, statistics or not. With a topic,
 * what waits of it among them: at least so many, where that is not exact.
 */
export async function countWaiting(
  tx: Tx,
  schema: string,
  position: LanePosition,
  topic: string | null = null,
): Promise<Waiting> {
  const { outbox } = tables(schema)
  const paging = position.upper !== null && position.page !== null
  const values = paging ? [position.last, position.upper, position.page] : [position.last]
  const ofLane = position.lanes === 1 ? 'true' : `${laneOfKey('key', position.lanes)} = ${position.lane}`
  const mine = topic === null ? ofLane : `${ofLane} AND topic = $${values.length + 1}::text`
  const { rows } = await tx.query<{ counted: number; whole: boolean; oldest: number | null; estimate: string | null }>(
    `WITH seen AS (${paging ? whilePaging(schema, mine) : betweenWindows(schema, mine)}),
     waiting AS (SELECT position, created_at FROM seen WHERE still_waiting AND mine)
     SELECT
       (SELECT count(*)::int FROM waiting) AS counted,
       (SELECT coalesce(max(branch_rows), 0) <= ${exactUpTo} FROM (SELECT count(*) AS branch_rows FROM seen GROUP BY branch) AS branches)
         AS whole,
       (SELECT extract(epoch FROM clock_timestamp() - min(created_at))::float8 FROM waiting) AS oldest,
       -- The middle of the sample, not its first: one late writer with a low position would blow the span up.
       ((SELECT max(position) FROM ${outbox}) - (SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY position) FROM waiting)
         + (SELECT count(*) / 2 FROM waiting))::text AS estimate`,
    topic === null ? values : [...values, topic],
  )
  const row = rows[0]
  const counted = row?.counted ?? 0
  const exact = (row?.whole ?? true) && counted <= exactUpTo
  const waiting =
    exact || topic !== null ? counted : Math.max(counted, Math.round(Number(row?.estimate ?? 0) / position.lanes))
  const oldestSeconds = row?.oldest == null ? null : Math.max(0, Math.round(row.oldest * 1000) / 1000)
  return { waiting, waitingExact: exact, oldestSeconds }
}

/** Everything that the snapshot $1 did not see. */
function betweenWindows(schema: string, mine: string): string {
  return unseenBy(schema, mine, '$1::pg_snapshot', 'true')
}

/**
 * The window from $1 to $2 is done up to position $3. What lies behind $3 waits unless $1 saw it; what lies before $3
 * waits only if $2 did not see it.
 */
function whilePaging(schema: string, mine: string): string {
  const unseen = 'NOT pg_visible_in_snapshot(xid, $1::pg_snapshot)'
  return `(${branch(schema, 'page', mine, unseen, 'position > $3::bigint', 'position')})
    UNION ALL (${unseenBy(schema, mine, '$2::pg_snapshot', 'position <= $3::bigint')})`
}

/** Two branches instead of OR: each keeps the order of its index. */
function unseenBy(schema: string, mine: string, snapshot: string, waits: string): string {
  return `(${branch(schema, 'later', mine, waits, `xid >= pg_snapshot_xmax(${snapshot})`, 'xid')})
    UNION ALL (${branch(schema, 'running', mine, waits, `xid = ANY (ARRAY(SELECT pg_snapshot_xip(${snapshot})))`, 'xid')})`
}

/**
 * The first rows of a condition in the order of an index. Leaf by leaf: over all of them at once, statistics from before the
 * backlog let the planner sort everything that waits, because an empty leaf has no order to merge.
 */
function branch(schema: string, name: string, mine: string, waits: string, condition: string, order: string): string {
  const leaves = [...outboxRing.leaves, outboxRing.defaultLeaf].map(
    (leaf) => `(SELECT position, created_at, xid, key, topic FROM ${tables(schema).of(leaf)}
      WHERE ${condition} ORDER BY ${order} LIMIT ${exactUpTo + 1})`,
  )
  return `SELECT '${name}' AS branch, position, created_at, ${waits} AS still_waiting, ${mine} AS mine
    FROM (${leaves.join(' UNION ALL ')}) AS leaf ORDER BY ${order} LIMIT ${exactUpTo + 1}`
}
