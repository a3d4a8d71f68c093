import type { Tx } from '@oncebox/core'
import { defaultSchema, requireSchema } from '@oncebox/schema'
import type { OffsetRange } from '@oncebox/transport'
import { readConsumers } from './consumers.js'

/** How much of one topic a consumer group has not handled yet. */
export interface GroupBehind {
  readonly group: string
  /** Records of all partitions, those included of which the group has no offset yet. */
  readonly unread: number
}

/**
 * The groups of this database that read a topic, and what they have still to read of it. A group that has handled nothing of
 * the topic yet is not known here. Reads on `tx`.
 *
 * @param options.offsets of the topic's partitions, as an `Inspector` tells them
 * @throws OnceboxError `SCHEMA_NOT_MIGRATED`, `INVALID_SETTING` for the schema name.
 */
export async function readGroupsBehind(
  tx: Tx,
  options: { readonly schema?: string; readonly topic: string; readonly offsets: ReadonlyMap<number, OffsetRange> },
): Promise<GroupBehind[]> {
  const { schema = defaultSchema, topic, offsets } = options
  await requireSchema(tx, { schema, minimumVersion: 5 })
  const consumers = await readConsumers(tx, schema)
  return consumers.flatMap(({ group, partitions }) => {
    const next = new Map(
      partitions.flatMap((one) =>
        one.topic === topic && one.nextOffset !== null ? [[one.partition, one.nextOffset] as const] : [],
      ),
    )
    return next.size === 0 ? [] : [{ group, unread: unreadOf(offsets, next) }]
  })
}

/** Records between what a group has read and the ends. Pure. An offset past the end is of a topic that was made anew. */
export function unreadOf(offsets: ReadonlyMap<number, OffsetRange>, next: ReadonlyMap<number, string>): number {
  let unread = 0n
  for (const [partition, range] of offsets) {
    const [low, high] = [BigInt(range.low), BigInt(range.high)]
    const at = BigInt(next.get(partition) ?? range.low)
    unread += high - (at < low || at > high ? low : at)
  }
  return Number(unread)
}
