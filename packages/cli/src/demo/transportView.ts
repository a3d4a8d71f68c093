import { setTimeout as sleep } from 'node:timers/promises'
import { queueName } from '@oncebox/pg-boss'
import pg from 'pg'
import { installed } from '../command/installed.js'
import type { ServiceSetup } from './serviceSetup.js'

/** The transport as a bystander sees it, who believes neither relay nor consumer. */
export interface TransportView {
  /** Records written to the topic so far, those written twice included. */
  published(): Promise<number>
  /** Records that the group has not acked yet. */
  waiting(): Promise<number>
  close(): Promise<void>
}

export async function viewTransport(
  setup: Pick<ServiceSetup, 'transport' | 'topic' | 'group'>,
): Promise<TransportView> {
  const { transport, topic, group } = setup
  return transport.kind === 'pg-boss'
    ? viewQueue(transport.url, queueName(topic, group))
    : viewTopic(transport.brokers, topic, group)
}

/** Completed jobs stay in pg-boss's table far longer than a run takes. */
function viewQueue(url: string, queue: string): TransportView {
  const pool = new pg.Pool({ connectionString: url, max: 1 })
  pool.on('error', () => undefined)
  const count = async (condition: string) => {
    const { rows } = await pool.query<{ jobs: number }>(
      `select count(*)::int as jobs from pgboss.job where name = $1 and ${condition}`,
      [queue],
    )
    return rows[0]?.jobs ?? 0
  }
  return {
    published: () => count('true'),
    waiting: () => count(`state < 'completed'`),
    close: () => pool.end(),
  }
}

/** Through another client than the services use: it shares none of their faults. */
async function viewTopic(brokers: readonly string[], topic: string, group: string): Promise<TransportView> {
  const { default: client } = await installed(() => import('kafkajs'))
  const kafka = new client.Kafka({
    clientId: 'oncebox-demo',
    brokers: [...brokers],
    logLevel: client.logLevel.NOTHING,
    retry: { retries: 10 },
  })
  const admin = kafka.admin()
  await admin.connect()
  const written = async () => {
    const offsets = await patiently(() => admin.fetchTopicOffsets(topic))
    return new Map(offsets.map(({ partition, low, high }) => [partition, { low: Number(low), high: Number(high) }]))
  }
  return {
    published: async () => [...(await written()).values()].reduce((sum, { low, high }) => sum + high - low, 0),
    async waiting() {
      const ends = await written()
      const [acked] = await patiently(() => admin.fetchOffsets({ groupId: group, topics: [topic] }))
      let waiting = 0
      for (const [partition, { low, high }] of ends) {
        const offset = Number(acked?.partitions.find((each) => each.partition === partition)?.offset ?? -1)
        waiting += high - Math.max(low, offset)
      }
      return waiting
    },
    async close() {
      // A Kafka that was there before keeps nothing of the demo.
      await admin.deleteTopics({ topics: [topic] }).catch(() => undefined)
      await admin.disconnect()
    },
  }
}

/** Asks again while the cluster is still settling (a topic just made has no leader for a moment). */
async function patiently<T>(ask: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask()
    } catch (error) {
      if (attempt === 40 || (error as { readonly retriable?: boolean }).retriable !== true) throw error
      await sleep(250)
    }
  }
}
