import { type Clock, OnceboxError } from '@oncebox/core'
import {
  ConfigResourceTypes,
  type Connection,
  createTopicsV7,
  deleteTopicsV6,
  describeConfigsV4,
  listOffsetsV6,
  metadataV10,
} from '@platformatic/kafka'
import type { Cluster } from './cluster.js'
import { ask } from './connections.js'
import { kafkaError, kafkaErrorNumber, responseOf, toOnceboxError } from './failure.js'

const topicAppearsMs = 15_000
const topicLookMs = 50
const readCommitted = 1
const earliestTimestamp = -2n
const latestTimestamp = -1n

/** First and next offset of a partition. */
export interface PartitionRange {
  readonly low: bigint
  readonly high: bigint
}

/** Questions to the cluster about topics. */
export class Administration {
  readonly #cluster: Cluster
  readonly #clock: Clock
  readonly #timeoutMs: number

  constructor(cluster: Cluster, clock: Clock, timeoutMs: number) {
    this.#cluster = cluster
    this.#clock = clock
    this.#timeoutMs = timeoutMs
  }

  /** The number of partitions, null when the topic does not exist. */
  async partitions(topic: string): Promise<number | null> {
    try {
      const state = await this.#cluster.look(topic)
      if (state.kind === 'unauthorized') {
        throw new OnceboxError('NOT_AUTHORIZED', `Topic ${topic} may not be described`, {
          next: 'Grant DESCRIBE on it.',
        })
      }
      return state.kind === 'missing' || state.leaders.length === 0 ? null : state.leaders.length
    } catch (error) {
      throw toOnceboxError(error, 'reading topic metadata')
    }
  }

  /** Creates a topic and waits until it has leaders. One that is there already is fine. */
  async createTopic(topic: string, partitions: number): Promise<void> {
    try {
      const connection = await this.#controller()
      const wanted = { name: topic, numPartitions: partitions, replicationFactor: -1, assignments: [], configs: [] }
      await ask(connection, this.#timeoutMs, (to) => createTopicsV7.api.async(to, [wanted], this.#timeoutMs, false))
    } catch (error) {
      if (kafkaErrorNumber(error) !== kafkaError.topicExists) throw toOnceboxError(error, 'creating a topic')
    }
    const until = this.#clock.now() + topicAppearsMs
    while (!(await this.#hasLeaders(topic))) {
      if (this.#clock.now() > until) {
        throw new OnceboxError('TRANSPORT_FAILED', `Kafka: topic ${topic} was created and does not appear`, {
          next: 'Check the brokers and the controller.',
        })
      }
      await this.#clock.sleep(topicLookMs)
    }
  }

  /** Deletes a topic. One that is not there is fine. */
  async deleteTopic(topic: string): Promise<void> {
    try {
      const connection = await this.#controller()
      await ask(connection, this.#timeoutMs, (to) => deleteTopicsV6.api.async(to, [{ name: topic }], this.#timeoutMs))
    } catch (error) {
      if (kafkaErrorNumber(error) !== kafkaError.unknownTopic) throw toOnceboxError(error, 'deleting a topic')
    }
  }

  /** @see Subscriber.retentionMs */
  async retentionMs(topic: string): Promise<number | null> {
    const configurationKeys = ['retention.ms', 'cleanup.policy']
    const resources = [{ resourceType: ConfigResourceTypes.TOPIC, resourceName: topic, configurationKeys }]
    const { results } = await this.#cluster.anywhere((to) => describeConfigsV4.api.async(to, resources, false, false))
    const configs = results[0]?.configs ?? []
    const value = (name: string) => configs.find((each) => each.name === name)?.value
    if (value('cleanup.policy') === 'compact') return -1
    const retention = Number(value('retention.ms') ?? Number.NaN)
    return Number.isFinite(retention) ? retention : null
  }

  /** First and next offsets of partitions, for those that have a leader. Asks each leader. */
  async ranges(topic: string, partitions: readonly number[]): Promise<ReadonlyMap<number, PartitionRange>> {
    return this.#fromLeaders(topic, partitions, async (connection, own) => {
      const [lows, highs] = await Promise.all([
        this.#offsets(connection, topic, own, earliestTimestamp),
        this.#offsets(connection, topic, own, latestTimestamp),
      ])
      return new Map(
        own.flatMap((partition): [number, PartitionRange][] => {
          const [low, high] = [lows.get(partition), highs.get(partition)]
          return low === undefined || high === undefined ? [] : [[partition, { low, high }]]
        }),
      )
    })
  }

  /** The offset of the first record at `timeMs` or later; the next offset where there is none. Asks each leader. */
  async offsetsAt(topic: string, partitions: readonly number[], timeMs: number): Promise<ReadonlyMap<number, bigint>> {
    return this.#fromLeaders(topic, partitions, async (connection, own) => {
      const [found, ends] = await Promise.all([
        this.#offsets(connection, topic, own, BigInt(Math.trunc(timeMs))),
        this.#offsets(connection, topic, own, latestTimestamp),
      ])
      return new Map(
        [...ends].map(([partition, end]) => {
          const at = found.get(partition) ?? -1n
          return [partition, at < 0n ? end : at]
        }),
      )
    })
  }

  /** What the leader of each partition answers; partitions without a leader are left out. */
  async #fromLeaders<T>(
    topic: string,
    partitions: readonly number[],
    question: (connection: Connection, own: readonly number[]) => Promise<ReadonlyMap<number, T>>,
  ): Promise<ReadonlyMap<number, T>> {
    const state = await this.#cluster.look(topic)
    const leaders = state.kind === 'known' ? state.leaders : []
    const byLeader = Map.groupBy(partitions, (partition) => leaders[partition] ?? null)
    const answers = await Promise.all(
      Array.from(byLeader, async ([nodeId, own]): Promise<ReadonlyMap<number, T>> => {
        const broker = nodeId === null ? undefined : this.#cluster.broker(nodeId)
        if (broker === undefined) return new Map()
        return question(await this.#cluster.connections.get(broker), own)
      }),
    )
    return new Map(answers.flatMap((answer) => [...answer]))
  }

  async #offsets(
    connection: Connection,
    topic: string,
    partitions: readonly number[],
    timestamp: bigint,
  ): Promise<Map<number, bigint>> {
    const wanted = partitions.map((partitionIndex) => ({ partitionIndex, currentLeaderEpoch: -1, timestamp }))
    const response = await ask(connection, this.#timeoutMs, (to) =>
      listOffsetsV6.api.async(to, -1, readCommitted, [{ name: topic, partitions: wanted }]),
    )
    const found = response.topics.flatMap((each) => each.partitions)
    return new Map(found.map(({ partitionIndex, offset }) => [partitionIndex, offset]))
  }

  async #hasLeaders(topic: string): Promise<boolean> {
    const state = await this.#cluster.look(topic)
    return state.kind === 'known' && state.leaders.length > 0 && !state.leaders.includes(null)
  }

  /** Brokers of older versions do not pass the request on to the controller. */
  async #controller(): Promise<Connection> {
    const { brokers, controllerId } = await this.#cluster.anywhere(async (to) => {
      try {
        return await metadataV10.api.async(to, [], false, false)
      } catch (error) {
        return responseOf<Awaited<ReturnType<typeof metadataV10.api.async>>>(error)
      }
    })
    const controller = brokers.find((each) => each.nodeId === controllerId) ?? brokers[0]
    if (controller === undefined) return this.#cluster.anywhere(async (to) => to)
    return this.#cluster.connections.get(controller)
  }
}
