import { silentLogger } from '@oncebox/core'
import { kafkajs, kafkajsInspector } from '@oncebox/kafkajs'
import { type PublishedRecord, until } from '@oncebox/testkit'
import type { IncomingBatch } from '@oncebox/transport'
import { orderIds } from './billing.js'

/** Reads a topic from its beginning, through another client than the services use: it shares none of their faults. */
export interface TopicAuditor {
  readonly records: readonly PublishedRecord[]
  /** Whether everything that the broker has by now was read. */
  caughtUp(): Promise<boolean>
  close(): Promise<void>
}

export async function auditTopic(brokers: readonly string[], topic: string): Promise<TopicAuditor> {
  const client = kafkajs({ brokers: [...brokers], sessionTimeoutMs: 6_000 })
  const inspector = kafkajsInspector({ brokers: [...brokers] })
  const records: PublishedRecord[] = []
  const next = new Map<number, number>()
  const options = {
    group: `audit-${topic}`,
    topics: [topic],
    maxRecords: 1_000,
    maxBytes: 4 << 20,
    logger: silentLogger,
  }
  const subscription = await client.subscribe(options, {
    assigned: async () => new Map(),
    revoked: async () => undefined,
    async batch(batch: IncomingBatch) {
      const { partition } = batch
      const ids = orderIds(batch)
      batch.records.forEach(({ offset: text, key }, index) => {
        const offset = Number(text)
        // After a rebalance some come again.
        if (offset < (next.get(partition) ?? 0)) return
        next.set(partition, offset + 1)
        const keyText = key === null ? null : Buffer.from(key).toString()
        records.push({ id: ids[index] as string, topic, key: keyText, partition, offset })
      })
      return { done: batch.records.length }
    },
  })
  // A topic that was just made has no leader for a moment.
  await until(() => inspector.offsets(topic), { what: `the offsets of ${topic}` })
  return {
    records,
    async caughtUp() {
      const ends = await inspector.offsets(topic)
      return [...ends].every(([partition, { high }]) => (next.get(partition) ?? 0) >= Number(high))
    },
    async close() {
      await subscription.stop({ deadlineMs: 1_000 })
      await client.close()
      await inspector.close()
    },
  }
}
