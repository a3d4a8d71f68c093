import type { Tx } from '@oncebox/core'
import type { Tables } from '@oncebox/schema'

/**
 * Takes `count` numbers of segments that nobody else gets, in one statement. The commit is synchronous: numbers that a
 * crash took back would be handed out again.
 */
export async function takeSegments(db: Tx, tables: Tables, count: number): Promise<number[]> {
  const { rows } = await db.query<{ segment: string }>(
    `SELECT nextval($1::text::regclass)::text AS segment,
       CASE WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'on', true) END
         AS durable
     FROM generate_series(1, $2::text::integer)`,
    [tables.idSegment, String(count)],
  )
  return rows.map((row) => Number(row.segment))
}
