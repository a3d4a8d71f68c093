import type { Tx } from '@oncebox/core'
import { tables } from '@oncebox/schema'

/** Parked messages of one topic with one reason. */
export interface ParkedGroup {
  readonly lane: number
  readonly topic: string
  readonly reason: string
  readonly messages: number
  readonly keys: number
  /** The first few keys, for the operator who asked; never logged. Null: messages without a key. */
  readonly firstKeys: readonly (string | null)[]
  /** Global id of the first of them. */
  readonly firstId: string
}

const keysShown = 3
const keyCharacters = 200
const countedUpTo = 100_000

/** Reads at most the first 100,000 parked messages, grouped by lane, topic and reason. */
export async function readParked(tx: Tx, schema: string): Promise<ParkedGroup[]> {
  const { parked } = tables(schema)
  const { rows } = await tx.query<Omit<ParkedGroup, 'firstKeys'> & { firstKeys: string }>(
    `WITH kept AS (
       SELECT lane, topic, reason, key, id, number FROM ${parked} ORDER BY number LIMIT ${countedUpTo}
     ), by_key AS (
       SELECT lane, topic, reason, key, count(*) AS messages, min(number) AS first_number
       FROM kept GROUP BY lane, topic, reason, key
     ), ranked AS (
       SELECT *, row_number() OVER (PARTITION BY lane, topic, reason ORDER BY first_number) AS place FROM by_key
     )
     SELECT lane::int AS lane, topic, reason, sum(messages)::int AS messages, count(*)::int AS keys,
       (json_agg(left(key, ${keyCharacters}) ORDER BY first_number) FILTER (WHERE place <= ${keysShown}))::text AS "firstKeys",
       (SELECT id FROM ${parked} WHERE number = min(first_number))::text AS "firstId"
     FROM ranked
     GROUP BY lane, topic, reason
     ORDER BY min(first_number)`,
  )
  return rows.map((row) => ({ ...row, firstKeys: JSON.parse(row.firstKeys) as (string | null)[] }))
}

/** Parked messages by lane. */
export function parkedByLane(groups: readonly ParkedGroup[]): ReadonlyMap<number, number> {
  const lanes = new Map<number, number>()
  for (const group of groups) lanes.set(group.lane, (lanes.get(group.lane) ?? 0) + group.messages)
  return lanes
}
