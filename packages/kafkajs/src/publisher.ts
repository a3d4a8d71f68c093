import { type Logger, systemClock } from '@oncebox/core'
import {
  type OutgoingRecord,
  type PartResult,
  type Publisher,
  type PublishOutcome,
  refusedInOrder,
  splitRefused,
} from '@oncebox/transport'
import type { Producer } from 'kafkajs'
import type { Administration } from './administration.js'
import type { ClientFactory } from './clientFactory.js'
import { classifyFailure, type Failure, toOnceboxError } from './failure.js'
import type { Tuning } from './options.js'
import { notePartition, planRequests, produceRequest, requestOutcomes, splitRequest } from './produceRequest.js'

const closed = { status: 'failed', code: 'TRANSPORT_UNREACHABLE', reason: 'the publisher is closed' } as const

const electionTypes = new Set(['NOT_LEADER_FOR_PARTITION', 'LEADER_NOT_AVAILABLE'])
const electionPausesMs = [50, 150, 450, 1000]

/**
 * Publishes with acks from all replicas, one request in flight, kafkajs's idempotent producer off (its sequence numbers
 * rewind after a failed send, and a later batch can be swallowed), and with a new producer after a rejected send.
 */
export class KafkajsPublisher implements Publisher {
  readonly name = 'kafkajs'
  readonly #clients: ClientFactory
  readonly #administration: Administration
  readonly #tuning: Tuning
  readonly #logger: Logger
  #producer: Producer | undefined
  #publishing: Promise<unknown> = Promise.resolve()
  readonly #discarded = new Set<Promise<void>>()
  #closed = false

  constructor(clients: ClientFactory, administration: Administration, tuning: Tuning) {
    this.#clients = clients
    this.#administration = administration
    this.#tuning = tuning
    this.#logger = tuning.logger
  }

  async connect(): Promise<void> {
    try {
      await this.#connected()
    } catch (error) {
      throw toOnceboxError(error, 'connecting')
    }
  }

  partitions(topic: string): Promise<number | null> {
    return this.#administration.partitions(topic)
  }

  createTopic(topic: string, partitions: number): Promise<void> {
    return this.#administration.createTopic(topic, partitions)
  }

  publish(records: readonly OutgoingRecord[]): Promise<PublishOutcome[]> {
    if (this.#closed) return Promise.resolve(records.map(() => closed))
    const publishing = this.#publish(records)
    this.#publishing = publishing
    return publishing
  }

  async #publish(records: readonly OutgoingRecord[]): Promise<PublishOutcome[]> {
    let refused = false
    const send = async (part: readonly OutgoingRecord[]) => {
      const result = await this.#sendPastElections(part)
      refused ||= 'refused' in result
      return result
    }
    const outcomes = await splitRefused(records, send, {
      parts: planRequests(records, this.#tuning.maxBatchBytes),
      split: (part) => splitRequest(records, part),
    })
    // While a request is being split the connection serves on: the broker has answered, nothing is in doubt.
    if (refused) this.#discard()
    return outcomes
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#publishing
    this.#discard()
    await Promise.all(this.#discarded)
  }

  /**
   * A partition whose leader is being chosen is asked again before it counts as failed. kafkajs does not tell which
   * partitions of the request were written all the same: those get their records twice, as after any `failed`.
   */
  async #sendPastElections(part: readonly OutgoingRecord[]): Promise<PartResult> {
    for (const pauseMs of electionPausesMs) {
      const result = await this.#send(part)
      if (!('election' in result)) return result
      await systemClock.sleep(pauseMs)
    }
    const result = await this.#send(part)
    return 'election' in result ? result.election : result
  }

  async #send(part: readonly OutgoingRecord[]): Promise<PartResult | { readonly election: PartResult }> {
    try {
      const request = produceRequest(part)
      const producer = await this.#connected()
      const { requestTimeoutMs: timeout } = this.#tuning
      const answers = await producer.sendBatch({ acks: -1, timeout, topicMessages: request.topicMessages })
      const outcomes = requestOutcomes(part, request, answers)
      // Without an answer the producer's picture of the cluster is wrong: the next one reads it anew.
      if (outcomes.some((outcome) => outcome.status !== 'acked')) this.#discard()
      return { outcomes }
    } catch (error) {
      const failure = classifyFailure(error)
      if (failure.concerns !== 'records') this.#discard()
      const result = await this.#rejected(part, failure)
      return failure.type !== undefined && electionTypes.has(failure.type) ? { election: result } : result
    }
  }

  async #rejected(part: readonly OutgoingRecord[], failure: Failure): Promise<PartResult> {
    const { code, reason } = failure
    this.#logger.debug({ records: part.length, code, reason }, 'a produce request was rejected')
    const failed = (why: string): PartResult => ({
      outcomes: part.map(() => ({ status: 'failed', code: failedCode(failure), reason: why })),
    })
    switch (failure.concerns) {
      case 'transport':
        return failed(reason)
      case 'client':
        return { outcomes: refusedInOrder(part, { code, reason }) }
      case 'records':
        return { refused: { code, reason } }
      case 'topic': {
        const topic = part[0]?.topic as string
        if (part.some((record) => record.topic !== topic)) return { refused: { code, reason } }
        if (code === 'TOPIC_MISSING' && !(await this.#isMissing(topic))) return failed(reason)
        return { outcomes: refusedInOrder(part, { code, reason }) }
      }
    }
  }

  /** The broker says the same of a missing topic and of stale metadata. */
  async #isMissing(topic: string): Promise<boolean> {
    try {
      return (await this.#administration.partitions(topic)) === null
    } catch (error) {
      this.#logger.debug({ topic, reason: classifyFailure(error).reason }, 'the topic could not be looked up')
      return false
    }
  }

  async #connected(): Promise<Producer> {
    if (this.#producer !== undefined) return this.#producer
    const producer = this.#clients.client(this.#logger).producer({
      idempotent: false,
      allowAutoTopicCreation: false,
      maxInFlightRequests: 1,
      createPartitioner: notePartition,
      // One attempt: what did not go out is `failed`, and the caller sends it again in its own time.
      retry: { retries: 0 },
    })
    this.#producer = producer
    try {
      await producer.connect()
    } catch (error) {
      this.#discard()
      throw error
    }
    return producer
  }

  #discard(): void {
    const producer = this.#producer
    if (producer === undefined) return
    this.#producer = undefined
    const gone = producer
      .disconnect()
      .catch((error: unknown) => {
        this.#logger.debug({ reason: classifyFailure(error).reason }, 'disconnecting a producer failed')
      })
      .then(() => {
        this.#discarded.delete(gone)
      })
    this.#discarded.add(gone)
  }
}

/** `failed` tells of the transport; a topic that turned out to be there is the transport's trouble. */
function failedCode(failure: Failure): Failure['code'] {
  return failure.code === 'TOPIC_MISSING' ? 'TRANSPORT_FAILED' : failure.code
}
