import type { Logger } from '@oncebox/core'
import type { TopicPartition } from '@oncebox/transport'
import type { Administration, PartitionRange } from './administration.js'

export interface Position {
  readonly topic: string
  readonly partition: number
  /** Decimal text. */
  readonly offset: string
}

/** Where to send the group: the handler's offsets, as far as the partitions have them. */
export async function positionsOf(
  wanted: ReadonlyMap<TopicPartition, string>,
  administration: Administration,
  logger: Logger,
): Promise<Position[]> {
  const topics = [...new Set([...wanted.keys()].map((each) => each.topic))]
  const ranges = new Map(
    await Promise.all(topics.map(async (topic) => [topic, await administration.ranges(topic)] as const)),
  )
  return [...wanted].flatMap(([{ topic, partition }, offset]) => {
    const position = clampOffset(offset, ranges.get(topic)?.get(partition))
    if (position.note !== undefined) logger.warn({ topic, partition, offset, ...position.range }, position.note)
    return position.offset === undefined ? [] : [{ topic, partition, offset: position.offset }]
  })
}

/**
 * The offset to seek to; undefined leaves the group where it is. An offset beyond the end is of another life of the
 * topic. One below the first record is moved up to it, which kafkajs would do only after an error. Pure.
 */
export function clampOffset(
  wanted: string,
  range: PartitionRange | undefined,
): { readonly offset?: string; readonly note?: string; readonly range?: { low: string; high: string } } {
  if (range === undefined) return { note: 'stored offset of a partition that the topic does not have ignored' }
  const bounds = { low: String(range.low), high: String(range.high) }
  if (BigInt(wanted) > range.high)
    return { note: 'stored offset beyond the end of the partition ignored', range: bounds }
  if (BigInt(wanted) < range.low) {
    const note = 'records after the stored offset are deleted already: going on at the first that is left'
    return { offset: bounds.low, note, range: bounds }
  }
  return { offset: wanted }
}
