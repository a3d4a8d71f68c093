import type { Inspector, OffsetRange } from '@oncebox/transport'
import type { ConsumerStatus } from './consumers.js'

/** What a group has not read of a partition, against the partition's end. */
export interface Unread {
  readonly group: string
  readonly topic: string
  readonly partition: number
  /** Decimal texts. The end is null when the brokers were not asked, or have no such partition. */
  readonly nextOffset: string
  readonly endOffset: string | null
  /** Records that were published and not handled, and the offset of the first; null without an end. */
  readonly messages: number | null
  readonly first: bigint | null
}

/**
 * Next offsets of groups against the ends of their partitions: two questions a topic, however many groups and partitions. A
 * partition without a next offset is not listed: the group has read nothing of it yet.
 *
 * @throws what the inspector throws; null: nobody is asked.
 */
export async function readUnread(consumers: readonly ConsumerStatus[], inspector: Inspector | null): Promise<Unread[]> {
  const places = consumers.flatMap(({ group, partitions }) =>
    partitions.flatMap(({ topic, partition, nextOffset }) =>
      nextOffset === null ? [] : [{ group, topic, partition, nextOffset }],
    ),
  )
  const topics = [...new Set(places.map(({ topic }) => topic))]
  const ends = await readEnds(inspector, topics)
  return places.map((place) => {
    const range = ends.get(place.topic)?.get(place.partition)
    if (range === undefined) return { ...place, endOffset: null, messages: null, first: null }
    const first = firstUnread(place.nextOffset, range)
    return { ...place, endOffset: range.high, messages: Math.max(0, Number(BigInt(range.high) - first)), first }
  })
}

/** What Kafka has deleted cannot be waited for. */
function firstUnread(nextOffset: string, { low }: OffsetRange): bigint {
  const next = BigInt(nextOffset)
  return next < BigInt(low) ? BigInt(low) : next
}

async function readEnds(inspector: Inspector | null, topics: readonly string[]) {
  const ends = new Map<string, ReadonlyMap<number, OffsetRange>>()
  if (inspector === null || topics.length === 0) return ends
  for (const topic of (await inspector.topics(topics)).keys()) ends.set(topic, await inspector.offsets(topic))
  return ends
}
