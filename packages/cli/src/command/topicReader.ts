import { randomUUID } from 'node:crypto'
import { decodeEnvelope, type Logger, OnceboxError } from '@oncebox/core'
import type { PublishedRecord } from '@oncebox/ops'
import type { BatchProgress, IncomingBatch, Inspector, Subscriber, TopicPartition } from '@oncebox/transport'

/** What a topic is read with. */
export interface TopicTools {
  readonly inspector: Inspector
  readonly subscriber: Subscriber
  readonly logger: Logger
  /** When no record comes of what is still to be read for so long, in milliseconds, it is given up. Default 15,000. */
  readonly silenceMs?: number
}

/**
 * Reads a topic from a time to its present end, through a group of its own that acks nothing, and gives each record to `take`
 * once, a partition in order; waits for it before it reads on.
 *
 * @throws OnceboxError `TRANSPORT_FAILED` when the end is not reached, and what inspector, subscriber and `take` throw.
 */
export async function readTopic(
  topic: string,
  fromMs: number,
  { inspector, subscriber, logger, silenceMs = 15_000 }: TopicTools,
  take: (records: readonly PublishedRecord[]) => Promise<void>,
): Promise<void> {
  if (!(await inspector.topics([topic])).has(topic)) return
  const starts = await inspector.offsetsAt(topic, fromMs)
  const ends = new Map<number, bigint>()
  for (const [partition, { high }] of await inspector.offsets(topic)) {
    if (BigInt(starts.get(partition) ?? high) < BigInt(high)) ends.set(partition, BigInt(high))
  }
  if (ends.size === 0) return
  /** The next offset to give on: a partition that is assigned anew begins at its start again. */
  const next = new Map<number, bigint>()
  let heard = performance.now()
  let finished = () => {}
  let failed: (error: unknown) => void = () => {}
  const reading = new Promise<void>((resolve, reject) => {
    finished = resolve
    failed = reject
  })
  // It is waited for further down; a subscription that cannot begin must not leave it alone.
  reading.catch(() => {})
  const handler = {
    async assigned(partitions: readonly TopicPartition[]) {
      return new Map(partitions.map((each) => [each, starts.get(each.partition) ?? '0']))
    },
    async revoked() {},
    async batch(batch: IncomingBatch): Promise<BatchProgress> {
      const end = ends.get(batch.partition)
      // What goes on to come of a partition that is read says nothing about the others.
      if (end === undefined) return { done: 0, retryAfterMs: silenceMs }
      heard = performance.now()
      const from = next.get(batch.partition) ?? 0n
      const records = batch.records
        .map((record) => recordOf(record, BigInt(record.offset ?? 0)))
        .filter(({ offset }) => offset >= from && offset < end)
      const upTo = BigInt(batch.records.at(-1)?.offset ?? -1) + 1n
      next.set(batch.partition, upTo > from ? upTo : from)
      try {
        await take(records)
      } catch (error) {
        failed(error)
        return { done: 0, retryAfterMs: silenceMs }
      }
      heard = performance.now()
      if (upTo >= end) ends.delete(batch.partition)
      if (ends.size === 0) finished()
      // The offset is where this group alone stands; nobody else reads by it.
      return { done: batch.records.length }
    },
  }
  const group = `oncebox-verify-${randomUUID()}`
  const limits = { maxRecords: 2_000, maxBytes: 4 << 20, logger }
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
