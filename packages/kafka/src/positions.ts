import type { Logger } from '@oncebox/core'
import type { TopicPartition } from '@oncebox/transport'
import type { Administration, PartitionRange } from './administration.js'
import type { CommittedOffset } from './groupMembership.js'

/** Where to go on in a partition, and what is to be said about it. */
export interface Position {
  readonly offset: bigint
  readonly note?: string
}

/**
 * Where to go on: at the handler's offset, else where the group left off, else at the first record. An offset beyond the
 * end is of another life of the topic and is passed over; one below the first record that is left moves up to it. Pure.
 */
export function choosePosition(
  wanted: bigint | undefined,
  committed: bigint | undefined,
  range: PartitionRange,
): Position {
  const beyond = wanted !== undefined && wanted > range.high
  const chosen = wanted === undefined || beyond ? committed : wanted
  const notes: string[] = beyond ? ['stored offset beyond the end of the partition ignored'] : []
  let offset = chosen ?? range.low
  if (offset > range.high) {
    notes.push('committed offset beyond the end of the partition: going on at the first record')
    offset = range.low
  } else if (offset < range.low) {
    notes.push('records after the stored offset are deleted already: going on at the first that is left')
    offset = range.low
  }
  return notes.length === 0 ? { offset } : { offset, note: notes.join('; ') }
}

/**
 * What Kafka does not know yet: whoever had a partition may have ended between its handler's commit and the one in Kafka,
 * and where nothing more is to be read, no batch would ever make up for it. Pure.
 */
export function commitsBehind(
  positions: ReadonlyMap<TopicPartition, bigint>,
  wanted: ReadonlyMap<TopicPartition, string>,
  committed: readonly CommittedOffset[],
): CommittedOffset[] {
  return Array.from(positions, ([each, offset]) => ({ each, offset }))
    .filter(({ each }) => wanted.has(each))
    .map(({ each: { topic, partition }, offset }) => ({ topic, partition, offset }))
    .filter(
      ({ topic, partition, offset }) =>
        committed.find((one) => one.topic === topic && one.partition === partition)?.offset !== offset,
    )
}

/** Positions of all partitions that have a leader. Rejects when one of them has none: taking over is tried again. */
export async function positionsOf(
  partitions: readonly TopicPartition[],
  wanted: ReadonlyMap<TopicPartition, string>,
  committed: readonly CommittedOffset[],
  tools: { readonly administration: Administration; readonly logger: Logger },
): Promise<ReadonlyMap<TopicPartition, bigint>> {
  const { administration, logger } = tools
  const topics = Map.groupBy(partitions, (each) => each.topic)
  const positions = new Map<TopicPartition, bigint>()
  for (const [topic, own] of topics) {
    const ranges = await administration.ranges(
      topic,
      own.map((each) => each.partition),
    )
    for (const each of own) {
      const { partition } = each
      const range = ranges.get(partition)
      if (range === undefined) throw new Error('a partition has no leader')
      const stored = wanted.get(each)
      const left = committed.find((one) => one.topic === topic && one.partition === partition)
      const { offset, note } = choosePosition(stored === undefined ? undefined : BigInt(stored), left?.offset, range)
      if (note !== undefined) {
        const bounds = { low: String(range.low), high: String(range.high) }
        logger.warn({ topic, partition, stored, goingOnAt: String(offset), ...bounds }, note)
      }
      positions.set(each, offset)
    }
  }
  return positions
}
