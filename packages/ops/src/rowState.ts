import { laneOfKey, type Tables } from '@oncebox/schema'

/** How far a row of the outbox has come: behind its lane's cursor, or not yet; or moved aside by the relay. */
export type RowState = 'published' | 'waiting' | 'parked'

/** The SQL expression of it, for a row with `position`, `xid` and `key` under the name `row`. */
export function rowState({ parked, relayCursor }: Tables, row: string): string {
  const lane = laneOfKey(`${row}.key`, `(SELECT count(*) FROM ${relayCursor})`)
  return `CASE
    WHEN EXISTS (SELECT FROM ${parked} AS aside WHERE aside.position = ${row}.position) THEN 'parked'
    WHEN EXISTS (
      SELECT FROM ${relayCursor} AS cursor WHERE cursor.lane = ${lane}
        AND NOT pg_visible_in_snapshot(${row}.xid, cursor.last_snapshot)
        AND NOT coalesce(pg_visible_in_snapshot(${row}.xid, cursor.upper_snapshot) AND ${row}.position <= cursor.page_position, false)
    ) THEN 'waiting'
    ELSE 'published'
  END`
}
