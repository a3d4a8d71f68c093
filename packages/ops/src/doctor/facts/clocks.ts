import type { Tx } from '@oncebox/core'
import { tables } from '@oncebox/schema'

export interface ClockFacts {
  /** The database's clock less this machine's, in milliseconds; what the round trip leaves open counts as none. */
  readonly skewMs: number
  /** Sources that lately wrote ids with a time in the database's future, with how far the furthest is ahead. */
  readonly ahead: readonly { readonly source: string; readonly aheadMs: number }[]
}

/** @param now this machine's clock, in milliseconds since the Unix epoch */
export async function readClocks(tx: Tx, schema: string, now: () => number): Promise<ClockFacts> {
  const { outbox, of } = tables(schema)
  const asked = now()
  const { rows } = await tx.query<{ database: number }>(
    'SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS database',
  )
  const answered = now()
  const database = rows[0]?.database ?? answered
  const skewMs = database < asked ? database - asked : database > answered ? database - answered : 0
  // A scheduled message carries the time at which it is due, and comes here once that is past.
  const ahead = await tx.query<{ source: string; aheadMs: number }>(
    `SELECT source, max(ahead)::float8 AS "aheadMs"
     FROM (
       SELECT source, ${of('uuid_time')}(id) - extract(epoch FROM clock_timestamp()) * 1000 AS ahead
       FROM (SELECT source, id FROM ${outbox} ORDER BY position DESC LIMIT 1000) AS newest
       WHERE substr(id::text, 15, 1) = '7'
     ) AS times
     WHERE ahead > 0 GROUP BY source ORDER BY 2 DESC, 1 LIMIT 10`,
  )
  return { skewMs: Math.round(skewMs), ahead: ahead.rows }
}
