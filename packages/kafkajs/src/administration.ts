import { isOnceboxError, type Logger, OnceboxError, systemClock } from '@oncebox/core'
import kafkajs, { type Admin } from 'kafkajs'
import { briefRetry, type ClientFactory } from './clientFactory.js'
import { classifyFailure, toOnceboxError } from './failure.js'

const { ConfigResourceTypes } = kafkajs

const topicAppearsMs = 15_000
const topicLookMs = 50

/** First and next offset of a partition. */
export interface PartitionRange {
  readonly low: bigint
  readonly high: bigint
}

/**
 * Questions to the cluster. Each goes over a connection of its own: kafkajs answers from its cache, keeps asking for
 * topics that are long deleted, and fails all others with them.
 */
export class Administration {
  readonly #clients: ClientFactory
  readonly #logger: Logger

  constructor(clients: ClientFactory, logger: Logger) {
    this.#clients = clients
    this.#logger = logger
  }

  /** Connects and disconnects again. @throws OnceboxError `TRANSPORT_UNREACHABLE`, `NOT_AUTHORIZED`. */
  async reach(): Promise<void> {
    await this.#ask('connecting', async () => {})
  }

  /** The number of partitions, null when the topic does not exist. */
  async partitions(topic: string): Promise<number | null> {
    return this.#ask('reading topic metadata', async (admin) => {
      try {
        const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
        return topics.find((each) => each.name === topic)?.partitions.length ?? null
      } catch (error) {
        if (classifyFailure(error).code === 'TOPIC_MISSING') return null
        throw error
      }
    })
  }

  async createTopic(topic: string, partitions: number): Promise<void> {
    // kafkajs's own waiting for leaders gives up when the broker it asks has not heard of the topic yet.
    await this.#ask('creating a topic', (admin) =>
      admin.createTopics({ waitForLeaders: false, topics: [{ topic, numPartitions: partitions }] }),
    )
    await this.#leadersServe(topic)
  }

  /**
   * Waits until every partition answers for its offsets. A write before that is refused for some partitions and taken
   * for others, and kafkajs does not tell for which, so that sending again would make duplicates.
   */
  async #leadersServe(topic: string): Promise<void> {
    const until = performance.now() + topicAppearsMs
    for (;;) {
      try {
        await this.ranges(topic)
        return
      } catch (error) {
        // Whoever may create a topic need not be allowed to read it.
        if (isOnceboxError(error, 'NOT_AUTHORIZED')) return
        if (performance.now() > until) throw error
        await systemClock.sleep(topicLookMs)
      }
    }
  }

  /** @see Subscriber.retentionMs */
  async retentionMs(topic: string): Promise<number | null> {
    return this.#ask('reading topic settings', async (admin) => {
      const { resources } = await admin.describeConfigs({
        includeSynonyms: false,
        resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configNames: ['retention.ms', 'cleanup.policy'] }],
      })
      const entries = resources[0]?.configEntries ?? []
      const value = (name: string) => entries.find((entry) => entry.configName === name)?.configValue
      if (value('cleanup.policy') === 'compact') return -1
      const retention = Number(value('retention.ms') ?? Number.NaN)
      return Number.isFinite(retention) ? retention : null
    })
  }

  /** First and next offsets of all partitions of a topic. */
  async ranges(topic: string): Promise<ReadonlyMap<number, PartitionRange>> {
    return this.#ask('reading offsets', async (admin) => {
      const offsets = await admin.fetchTopicOffsets(topic)
      return new Map(offsets.map(({ partition, low, high }) => [partition, { low: BigInt(low), high: BigInt(high) }]))
    })
  }

  async #ask<T>(doing: string, question: (admin: Admin) => Promise<T>): Promise<T> {
    const admin = this.#clients.client(this.#logger).admin({ retry: briefRetry })
    try {
      await admin.connect()
      return await question(admin)
    } catch (error) {
      // kafkajs stumbles over its own null when no broker answers a metadata request.
      if (error instanceof TypeError) {
        throw new OnceboxError('TRANSPORT_UNREACHABLE', `Kafka: ${doing} failed (no broker answered)`, {
          next: 'Check that the brokers run.',
          cause: error,
        })
      }
      throw toOnceboxError(error, doing)
    } finally {
      await admin.disconnect().catch((error: unknown) => {
        this.#logger.debug({ reason: classifyFailure(error).reason }, 'disconnecting from Kafka failed')
      })
    }
  }
}
