import type { Tx } from '@oncebox/core'
import { tables } from '@oncebox/schema'

/** Messages that wait beside the stream of one consumer group, because one of their key failed. */
export interface ParkedDeliveries {
  readonly group: string
  readonly messages: number
}

const countedUpTo = 100_000

/** Reads at most the first 100,000 of them. */
export async function readParkedDeliveries(tx: Tx, schema: string): Promise<ParkedDeliveries[]> {
  const { rows } = await tx.query<ParkedDeliveries>(
    `SELECT consumer AS "group", count(*)::int AS messages
     FROM (SELECT consumer FROM ${tables(schema).parkedDelivery} LIMIT ${countedUpTo}) AS bounded
     GROUP BY consumer`,
  )
  return rows
}
