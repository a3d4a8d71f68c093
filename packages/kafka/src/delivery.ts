import type { Clock, Logger } from '@oncebox/core'
import type { TopicState } from './cluster.js'
import { failureName } from './failure.js'
import type { PartitionQueue } from './partitionQueue.js'
import type { PartitionBatch } from './produceRequest.js'
import type { PartitionResult } from './produceResponse.js'

/** The cluster as deliveries see it: who leads what, and a way to send one request to one broker. */
export interface DeliveryTarget {
  known(topic: string): TopicState | undefined
  forget(topic: string): void
  /** Asks for topics. Rejects when no broker answers. */
  refresh(topics: readonly string[]): Promise<void>
  /**
   * Sends the batches in one request and resolves to the answers. `notSent`: the broker cannot have got it;
   * `noAnswer`: nobody knows what it wrote.
   */
  produce(
    nodeId: number,
    batches: readonly PartitionBatch[],
    timeoutMs: number,
  ): Promise<readonly PartitionResult[] | 'notSent' | 'noAnswer'>
}

export interface DeliveryOptions {
  readonly target: DeliveryTarget
  readonly clock: Clock
  readonly logger: Logger
  /** How long one request may take. */
  readonly attemptTimeoutMs: number
  /** How long a partition may give no answer before its records are `failed`. */
  readonly patienceMs: (queue: PartitionQueue) => number
}

const firstPauseMs = 20
const longestPauseMs = 500
/** Brokers take requests up to 100 MiB (`socket.request.max.bytes`). */
const maxRequestBytes = 16_000_000

const noAnswer = { code: 'TRANSPORT_UNREACHABLE', reason: 'no broker answered in time' } as const
const usedUp = { code: 'TRANSPORT_FAILED', reason: 'the producer id cannot go on' } as const
const missing = { code: 'TOPIC_MISSING', reason: 'UNKNOWN_TOPIC_OR_PARTITION' } as const
const noPartition = { code: 'TRANSPORT_FAILED', reason: 'the topic does not have that partition' } as const
const unwritable = 'a record could not be written into a batch'
const unauthorized = { code: 'NOT_AUTHORIZED', reason: 'TOPIC_AUTHORIZATION_FAILED' } as const

/** A queue on its way, with what its partition's broker last did. */
interface Run {
  readonly queue: PartitionQueue
  /** A request for it is under way. */
  busy: boolean
  answeredAt: number
  notBefore: number
  pauseMs: number
}

/**
 * Sends the queues' batches until every record has an outcome: to each broker one request at a time, with the next batch
 * of each partition it leads, none waiting for another broker. A partition without an answer gets the same bytes again,
 * until its patience is over.
 */
export class Delivery {
  /** False when the producer id cannot go on and the publisher needs a new one. */
  producerUsable = true
  /** The queues that ended without an answer. */
  readonly silent: PartitionQueue[] = []
  readonly #options: DeliveryOptions
  readonly #runs: readonly Run[]
  readonly #busyBrokers = new Set<number>()
  #looking = false
  /** Requests and looks that have not ended. */
  #underWay = 0
  #broken: { readonly error: unknown } | null = null
  #wake: () => void = () => {}

  constructor(queues: readonly PartitionQueue[], options: DeliveryOptions) {
    this.#options = options
    const now = options.clock.now()
    this.#runs = queues.map((queue) => ({ queue, busy: false, answeredAt: now, notBefore: 0, pauseMs: firstPauseMs }))
  }

  /** Resolves when every record has an outcome. Rejects, once nothing is under way, with what no part of it expected. */
  async run(): Promise<void> {
    for (;;) {
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      if (this.#broken !== null) {
        if (this.#underWay === 0) throw this.#broken.error
        await woken
        continue
      }
      const now = this.#options.clock.now()
      const idle = this.#runs.filter((run) => !run.queue.done && !run.busy)
      for (const run of idle) this.#giveUpInTime(run, now)
      this.#send(idle.filter((run) => !run.queue.done && run.notBefore <= now))
      if (this.#runs.every((run) => run.queue.done)) return
      await this.#pause(woken, now)
    }
  }

  #giveUpInTime(run: Run, now: number): void {
    if (now - run.answeredAt < this.#options.patienceMs(run.queue)) return
    this.silent.push(run.queue)
    if (!run.queue.fail(noAnswer)) this.producerUsable = false
  }

  /** Starts a request to each broker that has none, and a look for leaders where they are not known. */
  #send(due: readonly Run[]): void {
    const byBroker = new Map<number, Run[]>()
    const unknown: Run[] = []
    for (const run of due) {
      const { topic, partition } = run.queue
      const state = this.#options.target.known(topic)
      if (state === undefined) unknown.push(run)
      else if (state.kind === 'unauthorized') run.queue.refuse(unauthorized)
      else if (state.kind === 'missing') run.queue.refuse(missing)
      else {
        const leader = state.leaders[partition]
        // The topic may have grown since it was looked at, so once more; a topic just made has no partitions yet.
        if (leader === undefined && state.leaders.length > 0 && run.pauseMs > firstPauseMs) run.queue.fail(noPartition)
        else if (leader === null || leader === undefined) this.#tryLater(run)
        else if (!this.#busyBrokers.has(leader)) byBroker.set(leader, [...(byBroker.get(leader) ?? []), run])
      }
    }
    if (unknown.length > 0 && !this.#looking) this.#begin(this.#look(unknown))
    for (const [nodeId, runs] of byBroker) this.#begin(this.#request(nodeId, runs))
  }

  #begin(work: Promise<void>): void {
    this.#underWay++
    const broken = (error: unknown) => {
      this.#broken ??= { error }
    }
    void work.catch(broken).finally(() => {
      this.#underWay--
      this.#wake()
    })
  }

  async #look(runs: readonly Run[]): Promise<void> {
    const { target, logger } = this.#options
    this.#looking = true
    try {
      await target.refresh([...new Set(runs.map((run) => run.queue.topic))])
    } catch (error) {
      logger.warn({ reason: failureName(error) }, 'kafka: no broker told the leaders')
      for (const run of runs) this.#tryLater(run)
    }
    this.#looking = false
  }

  async #request(nodeId: number, runs: readonly Run[]): Promise<void> {
    const { target, clock, attemptTimeoutMs, patienceMs } = this.#options
    const now = clock.now()
    const taken: { run: Run; batch: PartitionBatch }[] = []
    let bytes = 0
    let timeoutMs = attemptTimeoutMs
    for (const run of runs) {
      if (bytes >= maxRequestBytes) break
      const batch = this.#nextBatch(run, now)
      if (batch === null) continue
      taken.push({ run, batch })
      run.busy = true
      bytes += batch.bytes.length
      timeoutMs = Math.min(timeoutMs, Math.max(1, patienceMs(run.queue) - (now - run.answeredAt)))
    }
    if (taken.length === 0) return
    this.#busyBrokers.add(nodeId)
    const batches = taken.map(({ batch }) => batch)
    const answer = await target.produce(nodeId, batches, timeoutMs)
    this.#busyBrokers.delete(nodeId)
    const results = typeof answer === 'string' ? [] : answer
    const byName = new Map(results.map((result) => [`${result.topic}\0${result.partition}`, result]))
    for (const { run } of taken) {
      run.busy = false
      const result = byName.get(`${run.queue.topic}\0${run.queue.partition}`)
      if (result !== undefined) this.#settle(run, result)
      else {
        if (answer !== 'notSent') run.queue.unanswered()
        this.#tryLater(run)
      }
    }
  }

  /** One record that cannot be written fails its partition's, not those of others. */
  #nextBatch(run: Run, now: number): PartitionBatch | null {
    try {
      return run.queue.batch(now)
    } catch (error) {
      this.#options.logger.error({ reason: failureName(error) }, `kafka: ${unwritable}`)
      if (!run.queue.fail({ code: 'TRANSPORT_FAILED', reason: unwritable })) this.producerUsable = false
      return null
    }
  }

  #settle(run: Run, { errorCode, baseOffset }: PartitionResult): void {
    const step = run.queue.settle(errorCode, baseOffset)
    if (step === 'again') {
      this.#tryLater(run)
      return
    }
    run.answeredAt = this.#options.clock.now()
    run.pauseMs = firstPauseMs
    if (step === 'newProducer') {
      this.producerUsable = false
      run.queue.fail(usedUp)
    }
  }

  /** The leader may have changed: it is looked for again, after a pause. */
  #tryLater(run: Run): void {
    this.#options.target.forget(run.queue.topic)
    run.notBefore = this.#options.clock.now() + run.pauseMs
    run.pauseMs = Math.min(run.pauseMs * 2, longestPauseMs)
  }

  /** Waits for a request to end, or for the end of a pause. */
  async #pause(woken: Promise<void>, now: number): Promise<void> {
    const waiting = this.#runs.filter((run) => !run.busy && !run.queue.done && run.notBefore > now)
    if (waiting.length === 0) return woken
    const nextMs = Math.min(...waiting.map((run) => run.notBefore)) - now
    const over = new AbortController()
    await Promise.race([woken, this.#options.clock.sleep(nextMs, over.signal)])
    over.abort()
  }
}
