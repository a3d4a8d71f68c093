import { partitionOf } from '@oncebox/core'
import type { OutgoingRecord, PublishOutcome } from '@oncebox/transport'
import { initProducerIdV4 } from '@platformatic/kafka'
import { BatchLimits } from './batchLimits.js'
import type { Cluster, TopicState } from './cluster.js'
import { ask, within } from './connections.js'
import { Delivery, type DeliveryTarget } from './delivery.js'
import { failureName, kafkaError, kafkaErrorNumber, toOnceboxError } from './failure.js'
import type { Settings } from './options.js'
import { PartitionQueue } from './partitionQueue.js'
import { type PartitionBatch, produceApiKey, produceApiVersion, produceRequest } from './produceRequest.js'
import { type PartitionResult, parseProduceResponse } from './produceResponse.js'
import { RecordWriter } from './recordWriter.js'
import { PartitionSequences } from './sequences.js'

const closed = { status: 'failed', code: 'TRANSPORT_UNREACHABLE', reason: 'the publisher is closed' } as const
/** What a partition gets that gave no answer to the last call, so that it does not slow the others for ever. */
const shortPatienceMs = 500
const coordinatorPauseMs = 100
const learnPauseMs = 200
const keptWriters = 16
const keptWriterBytes = 4 << 20

/**
 * Publishes with record batches written by ourselves, acks from all replicas, idempotent: a request without an answer is
 * sent again with the very same bytes, so that the broker recognizes it.
 */
export class KafkaPublisher {
  readonly #settings: Settings
  readonly #limits: BatchLimits
  readonly #cluster: Cluster
  #sequences: PartitionSequences | null = null
  /** The calls so far; each waits for the one before. */
  #calls: Promise<unknown> = Promise.resolve()
  readonly #silentPartitions = new Set<string>()
  #writers: RecordWriter[] = []
  #nextKeyless = 0
  #closed = false

  readonly #newSequences: (producerId: bigint, producerEpoch: number) => PartitionSequences

  constructor(
    settings: Settings,
    cluster: Cluster,
    newSequences = (producerId: bigint, producerEpoch: number) => new PartitionSequences(producerId, producerEpoch),
  ) {
    this.#settings = settings
    this.#limits = new BatchLimits(settings.maxBatchBytes)
    this.#cluster = cluster
    this.#newSequences = newSequences
  }

  /** @throws OnceboxError `TRANSPORT_UNREACHABLE`, `NOT_AUTHORIZED`. */
  async connect(): Promise<void> {
    try {
      await this.#producer()
    } catch (error) {
      throw toOnceboxError(error, 'connecting')
    }
  }

  publish(records: readonly OutgoingRecord[]): Promise<PublishOutcome[]> {
    if (this.#closed) return Promise.resolve(records.map(() => closed))
    const call = this.#calls.then(() => this.#publish(records))
    this.#calls = call.catch(() => {})
    return call
  }

  /** Takes no more calls and waits for those it has. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#calls
  }

  async #publish(records: readonly OutgoingRecord[]): Promise<PublishOutcome[]> {
    const outcomes = new Array<PublishOutcome>(records.length)
    if (records.length === 0) return outcomes
    let sequences: PartitionSequences
    try {
      sequences = await this.#producer()
      await this.#learn(new Set(records.map((record) => record.topic)))
    } catch (error) {
      const { code } = toOnceboxError(error, 'publishing')
      return outcomes.fill({ status: 'failed', code, reason: failureName(error) })
    }
    const queues = this.#queues(records, outcomes, sequences)
    const { deliveryTimeoutMs, requestTimeoutMs, clock, logger } = this.#settings
    const delivery = new Delivery(
      queues.map(({ queue }) => queue),
      {
        target: this.#target(),
        clock,
        logger,
        // Leaves time for a second attempt, at another leader perhaps.
        attemptTimeoutMs: Math.min(requestTimeoutMs, Math.ceil(deliveryTimeoutMs * 0.6)),
        patienceMs: ({ topic, partition }) =>
          this.#silentPartitions.has(`${topic}\0${partition}`) ? shortPatienceMs : deliveryTimeoutMs,
      },
    )
    try {
      await delivery.run()
    } catch (error) {
      // Nobody knows what was written: what has no outcome has failed, and is sent again by another producer.
      delivery.producerUsable = false
      const reason = failureName(error)
      logger.error({ reason }, 'kafka: a delivery broke off')
      records.forEach((_, index) => {
        outcomes[index] ??= { status: 'failed', code: 'TRANSPORT_FAILED', reason }
      })
    }
    for (const { queue } of queues) this.#silentPartitions.delete(`${queue.topic}\0${queue.partition}`)
    for (const { topic, partition } of delivery.silent) this.#silentPartitions.add(`${topic}\0${partition}`)
    if (!delivery.producerUsable) this.#sequences = null
    for (const { out } of queues) this.#giveBack(out)
    return outcomes
  }

  /** A producer id, once. A broker that has just started cannot hand one out yet: that is waited for. */
  async #producer(): Promise<PartitionSequences> {
    const { requestTimeoutMs, deliveryTimeoutMs, clock } = this.#settings
    const until = clock.now() + deliveryTimeoutMs
    while (this.#sequences === null) {
      try {
        const { producerId, producerEpoch } = await this.#cluster.anywhere((to) =>
          initProducerIdV4.api.async(to, null, requestTimeoutMs, -1n, -1),
        )
        this.#sequences ??= this.#newSequences(producerId, producerEpoch)
      } catch (error) {
        if (!coordinatorStarts(error) || clock.now() > until) throw error
        await clock.sleep(coordinatorPauseMs)
      }
    }
    return this.#sequences
  }

  /** Asks for topics that are new to us, or were not there, for as long as a delivery may take. */
  async #learn(topics: ReadonlySet<string>): Promise<void> {
    const { deliveryTimeoutMs, clock } = this.#settings
    const until = clock.now() + deliveryTimeoutMs
    const unknown = [...topics].filter((topic) => this.#cluster.known(topic)?.kind !== 'known')
    while (unknown.length > 0) {
      const leftMs = until - clock.now()
      try {
        return await this.#cluster.refresh(unknown, Math.max(leftMs, 1))
      } catch (error) {
        if (leftMs <= learnPauseMs) throw error
        await clock.sleep(learnPauseMs)
      }
    }
  }

  /** A queue for each partition that the records go to. Records whose partition is left to us get one. */
  #queues(
    records: readonly OutgoingRecord[],
    outcomes: PublishOutcome[],
    sequences: PartitionSequences,
  ): { readonly queue: PartitionQueue; readonly out: RecordWriter }[] {
    const topics = new Map<string, Map<number, number[]>>()
    for (let index = 0; index < records.length; index++) {
      const record = records[index] as OutgoingRecord
      const partition =
        record.partition ?? choosePartition(record, this.#cluster.known(record.topic), this.#nextKeyless)
      let byPartition = topics.get(record.topic)
      if (byPartition === undefined) {
        byPartition = new Map()
        topics.set(record.topic, byPartition)
      }
      const indexes = byPartition.get(partition)
      if (indexes === undefined) byPartition.set(partition, [index])
      else indexes.push(index)
    }
    this.#nextKeyless++
    const { compression } = this.#settings
    const limits = this.#limits
    return [...topics].flatMap(([topic, byPartition]) =>
      Array.from(byPartition, ([partition, indexes]) => {
        const out = this.#writers.pop() ?? new RecordWriter(1 << 16)
        const common = { records, outcomes, sequences, limits, compression, out }
        return { queue: new PartitionQueue({ topic, partition, indexes, ...common }), out }
      }),
    )
  }

  #giveBack(out: RecordWriter): void {
    if (this.#writers.length < keptWriters && out.buffer.length <= keptWriterBytes) this.#writers.push(out)
  }

  #target(): DeliveryTarget {
    const cluster = this.#cluster
    return {
      known: (topic) => cluster.known(topic),
      forget: (topic) => cluster.forget(topic),
      refresh: (topics) => cluster.refresh(topics),
      produce: (nodeId, batches, timeoutMs) => this.#produce(nodeId, batches, timeoutMs),
    }
  }

  async #produce(
    nodeId: number,
    batches: readonly PartitionBatch[],
    timeoutMs: number,
  ): Promise<readonly PartitionResult[] | 'notSent' | 'noAnswer'> {
    const broker = this.#cluster.broker(nodeId)
    if (broker === undefined) return 'notSent'
    const { logger } = this.#settings
    let sent = false
    try {
      const connection = await within(this.#cluster.connections.get(broker), timeoutMs)
      return await ask(
        connection,
        timeoutMs,
        () =>
          new Promise<PartitionResult[]>((resolve, reject) => {
            // The library copies the batches into one payload before `send` returns.
            const payload = produceRequest(batches, timeoutMs)
            sent = true
            connection.send(
              produceApiKey,
              produceApiVersion,
              () => payload,
              parseProduceResponse,
              true,
              true,
              (error, results) => {
                if (error !== null && error !== undefined) reject(error)
                else resolve(results as PartitionResult[])
              },
            )
          }),
      )
    } catch (error) {
      const number = kafkaErrorNumber(error)
      logger.warn({ broker: nodeId, number, reason: failureName(error) }, 'kafka: a produce request got no answer')
      return sent ? 'noAnswer' : 'notSent'
    }
  }
}

function coordinatorStarts(error: unknown): boolean {
  const number = kafkaErrorNumber(error)
  return number === kafkaError.coordinatorLoading || number === kafkaError.coordinatorNotAvailable
}

/** A key's own partition; for records without a key one partition a call, another with the next call. */
function choosePartition(record: OutgoingRecord, state: TopicState | undefined, turn: number): number {
  // The outcome of a topic that is not there does not depend on the partition.
  if (state?.kind !== 'known' || state.leaders.length === 0) return 0
  if (record.key !== null) return partitionOf(record.key, state.leaders.length)
  const led = state.leaders.flatMap((leader, partition) => (leader === null ? [] : [partition]))
  return led.length === 0 ? turn % state.leaders.length : (led[turn % led.length] as number)
}
