import type { Tx } from '@oncebox/core'

/** Positions from `from` up to and without `to`, as decimal text; null: open on that side. */
export interface PositionRange {
  readonly from: string | null
  readonly to: string | null
}

/**
 * The smallest position that was written at `timeMs` or later; null when there is none. Found by halving along the index
 * on position: created_at has none. Times rise with positions but for writers that overlap, so callers leave a margin.
 */
export async function positionAt(tx: Tx, outbox: string, timeMs: number): Promise<string | null> {
  const bounds = await tx.query<{ low: string | null; high: string | null }>(
    `SELECT (SELECT position FROM ${outbox} ORDER BY position LIMIT 1)::text AS low,
       (SELECT position FROM ${outbox} ORDER BY position DESC LIMIT 1)::text AS high`,
  )
  const { low: first, high: last } = bounds.rows[0] ?? { low: null, high: null }
  if (first === null || last === null) return null
  let low = BigInt(first)
  let high = BigInt(last) + 1n
  while (low < high) {
    const middle = (low + high) / 2n
    const { rows } = await tx.query<{ position: string; at: number }>(
      `SELECT position::text AS position, (extract(epoch FROM created_at) * 1000)::float8 AS at
       FROM ${outbox} AS found WHERE position >= $1::text::bigint ORDER BY found.position LIMIT 1`,
      [String(middle)],
    )
    const found = rows[0]
    if (found === undefined || found.at >= timeMs) high = middle
    else low = BigInt(found.position) + 1n
  }
  return low > BigInt(last) ? null : String(low)
}

/** Writers may commit late, and their clocks are the database's: a minute is plenty. */
const marginMs = 60_000

/** The positions among which everything lies that was written in a span of time. */
export async function positionsBetween(tx: Tx, outbox: string, fromMs: number, toMs: number): Promise<PositionRange> {
  const from = await positionAt(tx, outbox, fromMs - marginMs)
  const to = await positionAt(tx, outbox, toMs + marginMs)
  // Nothing that late: nothing before the end of the table either.
  return from === null ? { from: '9223372036854775807', to: null } : { from, to }
}

/**
 * The position at which `rows` rows of a range have been passed, from its beginning or from its end; null when it has fewer.
 * Along the index on position alone, whatever the planner knows of the leaves.
 */
export async function positionPast(
  tx: Tx,
  outbox: string,
  range: PositionRange,
  rows: number,
  order: 'forwards' | 'backwards',
): Promise<string | null> {
  const { rows: found } = await tx.query<{ position: string }>(
    `SELECT position::text AS position FROM ${outbox} AS found
     WHERE position >= $1::text::bigint AND ($2::text IS NULL OR position < $2::text::bigint)
     ORDER BY found.position ${order === 'forwards' ? 'ASC' : 'DESC'} OFFSET $3::text::bigint LIMIT 1`,
    [range.from ?? '0', range.to, String(rows - 1)],
  )
  return found[0]?.position ?? null
}

/** SQL for the time of a row of the outbox: RFC 3339 in UTC, microseconds. */
export const rfc3339 = `to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`

/** When the row at this position was written, or null. */
export async function writtenAt(tx: Tx, outbox: string, position: string): Promise<string | null> {
  const { rows } = await tx.query<{ at: string }>(
    `SELECT ${rfc3339} AS at FROM ${outbox} WHERE position = $1::text::bigint LIMIT 1`,
    [position],
  )
  return rows[0]?.at ?? null
}
