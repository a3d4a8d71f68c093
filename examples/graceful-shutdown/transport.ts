import type { Publisher, Subscriber } from '@oncebox/transport'
import { group } from './messages.ts'

export interface Setup {
  readonly databaseUrl: string
  readonly topic: string
  /** Kafka's brokers, or none: then pg-boss in the database above. */
  readonly brokers: readonly string[]
  /** Where each run of the handler is written down. */
  readonly runsFile: string
}

/** The most messages that a transaction handles, and so the most work that a kill can make be done twice. */
export const batchMessages = 20

/**
 * The transport for relay and consumers; loads only the client that is needed. A consumer that is killed counts as dead
 * after six seconds (Kafka allows no less) or three; one that leaves in good order is not waited for at all.
 */
export async function openTransport({ databaseUrl, topic, brokers }: Setup): Promise<Publisher & Subscriber> {
  if (brokers.length === 0) {
    const { pgBoss } = await import('@oncebox/pg-boss')
    return pgBoss({ connectionString: databaseUrl, topics: { [topic]: [group] }, heartbeatSeconds: 3 })
  }
  const { kafka } = await import('@oncebox/kafka')
  // Members hear of a rebalance with a heartbeat. One partition at a time: one batch is all that a consumer has in hand.
  return kafka({ brokers, sessionTimeoutMs: 6_000, heartbeatIntervalMs: 200, partitionsAtOnce: 1 })
}
