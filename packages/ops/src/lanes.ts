import type { Tx } from '@oncebox/core'
import { tables } from '@oncebox/schema'
import { countWaiting } from './waiting.js'

/** One lane of the relay: who publishes it, and how far behind it is. */
export interface LaneStatus {
  readonly lane: number
  /** The relay that holds the lease now; null when none does. */
  readonly holder: string | null
  /** Rises with every new holder. */
  readonly epoch: number
  /** Committed messages that are neither published nor parked. Counted up to 10,000, estimated above. */
  readonly waiting: number
  readonly waitingExact: boolean
  /** Age of the oldest waiting message, in seconds since it was written; null when none waits. */
  readonly oldestSeconds: number | null
  /** Messages moved aside because they, or an earlier one of their key, cannot be sent. Counted up to 100,000. */
  readonly parked: number
}

interface CursorRow {
  lane: number
  holder: string | null
  epoch: string
  last: string
  upper: string | null
  page: string | null
}

/** Reads every lane. The cost depends on what waits (bounded), not on what is retained. */
export async function readLanes(tx: Tx, schema: string, parkedOf: ReadonlyMap<number, number>): Promise<LaneStatus[]> {
  const { rows } = await tx.query<CursorRow>(
    `SELECT lane::int AS lane,
       CASE WHEN expires_at > clock_timestamp() THEN holder END AS holder,
       epoch::text AS epoch,
       last_snapshot::text AS last,
       upper_snapshot::text AS upper,
       page_position::text AS page
     FROM ${tables(schema).relayCursor}
     ORDER BY lane`,
  )
  const lanes: LaneStatus[] = []
  for (const { lane, holder, epoch, last, upper, page } of rows) {
    const waiting = await countWaiting(tx, schema, { last, upper, page, lane, lanes: rows.length })
    lanes.push({ lane, holder, epoch: Number(epoch), ...waiting, parked: parkedOf.get(lane) ?? 0 })
  }
  return lanes
}
