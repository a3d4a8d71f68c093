import { systemClock } from '@oncebox/core'
import type { BatchHandler, BatchProgress, SubscribeOptions, TopicPartition } from '@oncebox/transport'
import type { Consumer, ConsumerCrashEvent, ConsumerGroupJoinEvent, EachBatchPayload } from 'kafkajs'
import type { Administration } from './administration.js'
import { Assignment, partitionKey } from './assignment.js'
import { batchesOf } from './batches.js'
import { classifyFailure } from './failure.js'
import { membershipNews, startHeartbeat } from './heartbeat.js'
import type { Tuning } from './options.js'
import { type Position, positionsOf } from './positions.js'

const assignRetryMs = 1000
const disconnectMs = 5000
const longestTimerMs = 2 ** 31 - 1

export interface GroupMemberParts {
  readonly consumer: Consumer
  readonly options: SubscribeOptions
  readonly handler: BatchHandler
  readonly administration: Administration
  readonly tuning: Tuning
  /** Partition to the time (`performance.now()`) before which it is not delivered again; outlives this member. */
  readonly notBefore: Map<string, number>
  /** Resolves when batches of an earlier member have ended: `assigned` waits for it. */
  readonly after: Promise<void>
  /** Called when kafkajs gave up after the group had been joined. */
  readonly onCrash: (error: Error) => void
}

/** One kafkajs consumer from joining its group to leaving it or to its crash. */
export class GroupMember {
  readonly #parts: GroupMemberParts
  readonly #consumer: Consumer
  readonly #timers = new Set<NodeJS.Timeout>()
  #assignment: Assignment | undefined
  /** Calls of `assigned` and `revoked`, one after the other. */
  #transitions: Promise<void>
  readonly #leave = new AbortController()

  constructor(parts: GroupMemberParts) {
    this.#parts = parts
    this.#consumer = parts.consumer
    this.#transitions = parts.after
  }

  get #leaving(): boolean {
    return this.#leave.signal.aborted
  }

  /** Resolves once the group is joined. Rejects with kafkajs's error, having disconnected. */
  async join(): Promise<void> {
    const { options, tuning } = this.#parts
    const consumer = this.#consumer
    const first = Promise.withResolvers<void>()
    let joined = false
    consumer.on(consumer.events.GROUP_JOIN, (event: ConsumerGroupJoinEvent) => {
      this.#joined(event.payload.memberAssignment)
      joined = true
      first.resolve()
    })
    consumer.on(consumer.events.REBALANCING, () => this.#rebalancing())
    consumer.on(consumer.events.CRASH, (event: ConsumerCrashEvent) => {
      this.#assignment?.lose()
      this.#clearTimers()
      if (joined) this.#parts.onCrash(event.payload.error)
      else first.reject(event.payload.error)
    })
    try {
      await consumer.connect()
      await consumer.subscribe({ topics: [...options.topics], fromBeginning: true })
      consumer
        .run({
          autoCommit: false,
          eachBatchAutoResolve: false,
          partitionsConsumedConcurrently: tuning.partitionsAtOnce,
          eachBatch: (payload) => this.#eachBatch(payload),
        })
        .catch(first.reject)
      // kafkajs tells nobody when a consumer is stopped before it has joined.
      const left = () => first.reject(new Error('the member left before it had joined'))
      if (this.#leaving) left()
      this.#leave.signal.addEventListener('abort', left, { once: true })
      await first.promise
    } catch (error) {
      await this.#disconnect()
      throw error
    }
  }

  /** Waits for running batches up to `deadlineMs`, then leaves the group. */
  async leave(deadlineMs: number): Promise<void> {
    this.#leave.abort()
    this.#clearTimers()
    const assignment = this.#assignment
    if (assignment !== undefined) {
      assignment.ending = true
      this.#hold(assignment.partitions)
      const inTime = new AbortController()
      const passed = systemClock.sleep(deadlineMs, inTime.signal).then(() => false)
      const ended = await Promise.race([this.#settled(assignment), passed])
      inTime.abort()
      if (ended) await this.#revoked(assignment)
      else assignment.abandon()
    }
    await this.#disconnect()
  }

  /** No batch runs, and no call of `assigned` or `revoked` either. */
  async #settled(assignment: Assignment): Promise<boolean> {
    await assignment.idle()
    await this.#transitions
    return true
  }

  /** Resolves when no batch of this member runs any longer. */
  async idle(): Promise<void> {
    await this.#assignment?.idle()
  }

  /** kafkajs calls this before it fetches anything of the new assignment. */
  #joined(memberAssignment: Readonly<Record<string, readonly number[]>>): void {
    const previous = this.#assignment
    const assignment = new Assignment(memberAssignment)
    this.#assignment = assignment
    this.#hold(assignment.partitions)
    // kafkajs rejoins beneath a running batch when a topic grows: what that batch does is not committed any more.
    const clean = previous?.busy !== true
    if (!clean) previous?.lose()
    this.#transition(async () => {
      await previous?.idle()
      if (previous !== undefined && clean) await this.#revoked(previous)
      previous?.lose()
      await this.#takeOver(assignment)
    })
  }

  #rebalancing(): void {
    const assignment = this.#assignment
    if (assignment === undefined) return
    assignment.ending = true
    this.#transition(async () => {
      await assignment.idle()
      await this.#revoked(assignment)
    })
  }

  #transition(work: () => Promise<void>): void {
    this.#transitions = this.#transitions.then(work)
  }

  async #revoked(assignment: Assignment): Promise<void> {
    if (!assignment.ready || assignment.lost.aborted || assignment.partitions.length === 0) return
    assignment.ready = false
    try {
      await this.#parts.handler.revoked(assignment.partitions)
    } catch (error) {
      this.#parts.options.logger.warn({ error: errorName(error) }, 'the handler rejected revoked()')
    }
  }

  /** Asks the handler for offsets until it answers, seeks to them, and only then lets the partitions be fetched. */
  async #takeOver(assignment: Assignment): Promise<void> {
    const { handler, administration, options } = this.#parts
    const over = () => assignment.ending || this.#leaving
    while (!over() && assignment.partitions.length > 0) {
      try {
        const wanted = await handler.assigned(assignment.partitions)
        const positions = await positionsOf(wanted, administration, options.logger)
        if (over()) return
        for (const position of positions) this.#consumer.seek(position)
        await this.#commitPositions(positions)
        if (over()) return
        assignment.ready = true
        for (const each of assignment.partitions) this.#resumeInTime(assignment, each)
        return
      } catch (error) {
        options.logger.warn({ error: errorName(error) }, 'taking over partitions failed, trying again')
        await systemClock.sleep(assignRetryMs, AbortSignal.any([assignment.lost, this.#leave.signal]))
      }
    }
  }

  /**
   * Whoever had a partition may have ended between its handler's commit and the one in Kafka, and where nothing more is to
   * be read, no batch would ever make up for it.
   */
  async #commitPositions(positions: readonly Position[]): Promise<void> {
    if (positions.length === 0) return
    try {
      await this.#consumer.commitOffsets([...positions])
    } catch (error) {
      // Lag tools are behind until the next batch. A membership that is over, kafkajs tells of by itself.
      this.#parts.options.logger.debug({ reason: classifyFailure(error).reason }, 'a commit of offsets failed')
    }
  }

  async #eachBatch(payload: EachBatchPayload): Promise<void> {
    const { topic, partition } = payload.batch
    const assignment = this.#assignment
    const held = assignment?.find(topic, partition)
    if (assignment === undefined || held === undefined || !assignment.ready) return
    const { tuning } = this.#parts
    const stopHeartbeat = startHeartbeat({
      intervalMs: tuning.heartbeatIntervalMs,
      sessionTimeoutMs: tuning.sessionTimeoutMs,
      // Before the coordinator goes on without us.
      rebalanceTimeoutMs: tuning.rebalanceTimeoutMs * 0.8,
      beat: payload.heartbeat,
      onRebalancing: () => {
        assignment.ending = true
      },
      onLost: () => assignment.lose(),
    })
    const work = this.#work(assignment, held, payload).finally(stopHeartbeat)
    assignment.track(work)
    await work
  }

  async #work(assignment: Assignment, held: TopicPartition, payload: EachBatchPayload): Promise<void> {
    for (const records of batchesOf(payload.batch, this.#parts.options)) {
      if (assignment.ending || this.#leaving || !payload.isRunning() || payload.isStale()) return
      const handled = this.#handle({ ...held, records, signal: assignment.lost })
      const progress = await Promise.race([handled, assignment.abandoned])
      // Lost while it ran: whoever has the partition now delivers these again.
      if (progress === undefined || assignment.lost.aborted) return
      const last = records[progress.done - 1]
      if (last !== undefined) await this.#commit(assignment, payload, last.offset as string)
      if (progress.done < records.length) {
        if ((progress.retryAfterMs ?? 0) > 0) this.#retryLater(assignment, held, progress.retryAfterMs as number)
        return
      }
    }
  }

  async #handle(batch: Parameters<BatchHandler['batch']>[0]): Promise<BatchProgress> {
    try {
      return await this.#parts.handler.batch(batch)
    } catch (error) {
      const { topic, partition } = batch
      this.#parts.options.logger.warn({ topic, partition, error: errorName(error) }, 'the batch handler rejected')
      return { done: 0, retryAfterMs: 1000 }
    }
  }

  async #commit(assignment: Assignment, payload: EachBatchPayload, lastDone: string): Promise<void> {
    const { batch } = payload
    payload.resolveOffset(lastDone)
    // After the last record there may be a transaction's control record, which no handler sees.
    const atEnd = batch.messages.at(-1)?.offset === lastDone
    const offset = String(BigInt(atEnd ? batch.lastOffset() : lastDone) + 1n)
    try {
      const partitions = [{ partition: batch.partition, offset }]
      await payload.commitOffsetsIfNecessary({ topics: [{ topic: batch.topic, partitions }] })
    } catch (error) {
      if (membershipNews(error) === 'lost') assignment.lose()
      throw error
    }
  }

  #retryLater(assignment: Assignment, held: TopicPartition, retryAfterMs: number): void {
    this.#parts.notBefore.set(partitionKey(held.topic, held.partition), performance.now() + retryAfterMs)
    this.#hold([held])
    this.#resumeInTime(assignment, held)
  }

  #hold(partitions: readonly TopicPartition[]): void {
    this.#steer(() =>
      this.#consumer.pause(partitions.map(({ topic, partition }) => ({ topic, partitions: [partition] }))),
    )
  }

  #resumeInTime(assignment: Assignment, held: TopicPartition): void {
    const { topic, partition } = held
    const key = partitionKey(topic, partition)
    const resume = () => {
      if (this.#assignment !== assignment || this.#leaving) return
      this.#parts.notBefore.delete(key)
      this.#steer(() => this.#consumer.resume([{ topic, partitions: [partition] }]))
    }
    const waitMs = (this.#parts.notBefore.get(key) ?? 0) - performance.now()
    if (waitMs <= 0) {
      resume()
      return
    }
    const timer = setTimeout(
      () => {
        this.#timers.delete(timer)
        resume()
      },
      Math.min(waitMs, longestTimerMs),
    )
    this.#timers.add(timer)
  }

  /** kafkajs throws when it is asked to pause or resume between a crash and our learning of it. */
  #steer(action: () => void): void {
    try {
      action()
    } catch (error) {
      this.#parts.options.logger.debug({ error: errorName(error) }, 'the consumer is not running')
    }
  }

  #clearTimers(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
  }

  async #disconnect(): Promise<void> {
    const disconnecting = this.#consumer.disconnect().catch((error: unknown) => {
      this.#parts.options.logger.debug({ reason: classifyFailure(error).reason }, 'disconnecting a consumer failed')
    })
    const inTime = new AbortController()
    await Promise.race([disconnecting, systemClock.sleep(disconnectMs, inTime.signal)])
    inTime.abort()
  }
}

/** An error's class and code: its text may quote a payload. */
export function errorName(error: unknown): string {
  if (!(error instanceof Error)) return typeof error
  const code = (error as { code?: unknown }).code
  return typeof code === 'string' ? `${error.name} ${code}` : error.name
}
