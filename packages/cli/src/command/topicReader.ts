import { randomUUID } from 'node:crypto'
import { decodeEnvelope, type Logger, OnceboxError } from '@oncebox/core'
import type { PublishedRecord } from '@oncebox/ops'
import type { BatchProgress, IncomingBatch, Inspector, Subscriber, TopicPartition } from '@oncebox/transport'

/** A partition of which no record comes for so long is not read to its end. */
const silenceMs = 15_000

/**
 * Reads a topic from a time to its present end, through a group of its own that acks nothing.
 *
 * @throws OnceboxError `TRANSPORT_FAILED` when the end is not reached, and what inspector and subscriber throw.
 */
export async function readTopic(
  topic: string,
  fromMs: number,
  { inspector, subscriber, logger }: { inspector: Inspector; subscriber: Subscriber; logger: Logger },
): Promise<PublishedRecord[]> {
  if (!(await inspector.topics([topic])).has(topic)) return []
  const starts = await inspector.offsetsAt(topic, fromMs)
  const ends = new Map<number, bigint>()
  for (const [partition, { high }] of await inspector.offsets(topic)) {
    if (BigInt(starts.get(partition) ?? high) < BigInt(high)) ends.set(partition, BigInt(high))
  }
  if (ends.size === 0) return []
  const records: PublishedRecord[] = []
  let heard = performance.now()
  let finished = () => {}
  const reading = new Promise<void>((resolve) => {
    finished = resolve
  })
  const handler = {
    async assigned(partitions: readonly TopicPartition[]) {
      return new Map(partitions.map((each) => [each, starts.get(each.partition) ?? '0']))
    },
    async revoked() {},
    async batch(batch: IncomingBatch): Promise<BatchProgress> {
      heard = performance.now()
      const end = ends.get(batch.partition)
      if (end === undefined) return { done: 0, retryAfterMs: silenceMs }
      for (const record of batch.records) {
        const offset = BigInt(record.offset ?? 0)
        if (offset < end) records.push(recordOf(record, offset))
        if (offset >= end - 1n) ends.delete(batch.partition)
      }
      if (ends.size === 0) finished()
      // The offset is where this group alone stands; nobody else reads by it.
      return { done: batch.records.length }
    },
  }
  const group = `oncebox-verify-${randomUUID()}`
  const limits = { maxRecords: 10_000, maxBytes: 16 << 20, logger }
  const subscription = await subscriber.subscribe({ group, topics: [topic], ...limits }, handler)
  let silent: NodeJS.Timeout | undefined
  const silence = new Promise<'silent'>((resolve) => {
    silent = setInterval(() => performance.now() - heard > silenceMs && resolve('silent'), 500)
  })
  try {
    if ((await Promise.race([reading, silence])) === 'silent') {
      throw new OnceboxError('TRANSPORT_FAILED', `Topic ${topic} could not be read to its end`, {
        next: 'Are all its partitions served? Try again, or a shorter range.',
      })
    }
  } finally {
    clearInterval(silent)
    await subscription.stop({ deadlineMs: 5_000 })
  }
  return records.sort((a, b) => a.partition - b.partition || Number(a.offset - b.offset))
}

function recordOf(record: IncomingBatch['records'][number], offset: bigint): PublishedRecord {
  const { id, type, source, time } = decodeEnvelope(record)
  return {
    topic: record.topic,
    partition: record.partition,
    offset,
    key: record.key === null ? null : Buffer.from(record.key).toString('latin1'),
    id,
    type,
    source,
    writtenMs: time.getTime(),
  }
}
