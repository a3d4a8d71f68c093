import type { MessageContracts } from '@oncebox/core'
import { loadTraceApi, outsideTraces } from '@oncebox/core/tracing'
import { tables as tablesOf } from '@oncebox/schema'
import type { Subscription } from '@oncebox/transport'
import { fullSize } from './batchSize.js'
import { Caution } from './caution.js'
import { copyDeadLetters } from './copyDeadLetters.js'
import { type Delivery, type DeliveryResult, deliverOne, recordOf } from './deliver.js'
import { type ConsumerCounters, Counters } from './events.js'
import { maintainInbox } from './maintenance.js'
import { createPartitionHandler } from './partitionHandler.js'
import type { BatchParts } from './processBatch.js'
import { Reached } from './reached.js'
import { redrive } from './redrive.js'
import { createReport } from './report.js'
import { type ConsumerOptions, settingsOf } from './settings.js'
import { checkStart } from './startChecks.js'

/** What a consumer is doing. */
export type ConsumerState = 'idle' | 'starting' | 'running' | 'stopping' | 'stopped'

/** How long batches that run may hold up joining the group again, in milliseconds. */
const rejoinDeadlineMs = 10_000
const rejoinPauseMs = 1_000

interface Running {
  readonly subscription: Subscription
  readonly ending: AbortController
  /** Aborts when the stop deadline has passed. */
  readonly lost: AbortController
  readonly maintenance: Promise<unknown>
}

/** Receives messages of a group and makes their effects happen once in one database. */
export interface Consumer<C extends MessageContracts, Trx> {
  /**
   * Checks the schema and the topics' retention, joins the group and resolves once it receives.
   * @throws OnceboxError `SCHEMA_NOT_MIGRATED`, `INVALID_SETTING`, `DATABASE_UNREACHABLE`, `TRANSPORT_UNREACHABLE`,
   *   `TOPIC_MISSING`, `NOT_AUTHORIZED`.
   */
  start(): Promise<void>

  /**
   * Begins no further transaction, waits for the running ones up to `deadlineMs` (default 10,000), then aborts their
   * handlers' signals: what they did rolls back and comes again. Leaves the group. A start that is not through by then is
   * waited for no longer, and stopped when it is. Idempotent.
   */
  stop(options?: { readonly deadlineMs?: number }): Promise<void>

  /**
   * For tests: runs one message through validation, dedupe and handler, inside `trx`, which the caller rolls back (or
   * commits); without `trx` in a transaction of its own, which commits. A handler's error is thrown as it is.
   */
  deliver(message: Delivery<C>, trx?: Trx): Promise<DeliveryResult>

  /** What it is doing now. */
  readonly state: ConsumerState
  /** What happened since the consumer was created. */
  counters(): ConsumerCounters
}

/**
 * Creates a consumer; nothing runs before `start`. It opens transactions on `db`, one a batch.
 *
 * @throws OnceboxError `INVALID_SETTING`.
 */
export function createConsumer<const C extends MessageContracts, Trx>(
  options: ConsumerOptions<C, Trx>,
): Consumer<C, Trx> {
  const settings = settingsOf(options)
  const { db, group, logger, onEvent } = settings
  const tables = tablesOf(settings.schema)
  const counters = new Counters()
  const report = createReport(group, logger, onEvent, counters, () => settings.clock.now())
  let state: ConsumerState = 'idle'
  let running: Running | undefined
  let starting: Promise<void> = Promise.resolve()
  let stopping: Promise<void> = Promise.resolve()
  let rejoining: Promise<void> | undefined

  const parts: BatchParts<Trx> = {
    settings,
    tables,
    report,
    suspects: new Map(),
    caution: new Caution(),
    reached: new Reached(),
    goBack() {
      rejoining ??= rejoin().finally(() => {
        rejoining = undefined
      })
    },
    stopping: () => state === 'stopping' || state === 'stopped',
    size: fullSize(settings.batchMessages),
    lanes: fullSize(settings.concurrency),
    pauses: 0,
  }
  const handler = createPartitionHandler(parts, counters)

  function subscribe(): Promise<Subscription> {
    const { topics, batchMessages, batchBytes } = settings
    const limits = { maxRecords: batchMessages, maxBytes: batchBytes }
    return settings.subscriber.subscribe({ group, topics, ...limits, logger }, handler)
  }

  /** Subscriptions go on where they are; only an assignment asks the database where that should be. */
  async function rejoin(): Promise<void> {
    const ending = running?.ending.signal
    await running?.subscription.stop({ deadlineMs: rejoinDeadlineMs }).catch(report.rejoinFailed)
    while (running !== undefined && ending?.aborted === false) {
      try {
        const subscription = await subscribe()
        if (running === undefined) await subscription.stop({ deadlineMs: 0 })
        else running = { ...running, subscription }
        return
      } catch (error) {
        report.rejoinFailed(error)
        await settings.clock.sleep(rejoinPauseMs, ending)
      }
    }
  }

  async function begin(): Promise<void> {
    state = 'starting'
    try {
      await loadTraceApi()
      await outsideTraces(receive)
    } catch (error) {
      state = 'idle'
      throw error
    }
    state = 'running'
    logger.info({ group, topics: settings.topics }, 'consumer started')
    onEvent({ type: 'started', group, topics: settings.topics })
  }

  async function receive(): Promise<void> {
    await checkStart(settings)
    const subscription = await subscribe()
    const ending = new AbortController()
    const lost = new AbortController()
    const redriven = redrive({ settings, tables, report, lost: lost.signal, most: 1 }, ending.signal)
    const copied = copyDeadLetters({ settings, tables, report }, ending.signal)
    const maintenance = Promise.all([maintainInbox(settings, report, ending.signal), redriven, copied])
    running = { subscription, ending, lost, maintenance }
  }

  function start(): Promise<void> {
    if (state === 'idle' || state === 'stopped') starting = begin()
    return starting
  }

  async function stop({ deadlineMs = 10_000 }: { readonly deadlineMs?: number } = {}): Promise<void> {
    const hasStarted = state !== 'starting'
    // What start() throws, it throws to the caller of start().
    const stopped = starting
      .catch(() => {})
      .then(() => {
        if (running === undefined || state === 'stopping') return stopping
        state = 'stopping'
        running.ending.abort()
        stopping = end(running, deadlineMs)
        return stopping
      })
    if (hasStarted) return stopped
    // Whoever it connects to may say nothing for ever; should it get through after all, it is stopped then.
    const waiting = new AbortController()
    await Promise.race([stopped, settings.clock.sleep(deadlineMs, waiting.signal)])
    waiting.abort()
  }

  async function end({ lost, maintenance }: Running, deadlineMs: number): Promise<void> {
    // The step that maintenance is at is over soon; what it waits for without end is not ours to wait for.
    const waiting = new AbortController()
    const deadline = settings.clock.sleep(deadlineMs, waiting.signal)
    if (rejoining !== undefined) await Promise.race([rejoining, deadline])
    const subscription = running?.subscription
    running = undefined
    const maintained = Promise.race([maintenance, deadline])
    return Promise.all([subscription?.stop({ deadlineMs }), maintained])
      .then(() => undefined)
      .finally(() => {
        waiting.abort()
        lost.abort()
        state = 'stopped'
        logger.info({ group }, 'consumer stopped')
        onEvent({ type: 'stopped', group })
      })
  }

  return {
    start,
    stop,
    async deliver(message, trx) {
      const topic = settings.contracts.get(message.type)?.topic ?? ''
      const record = recordOf(message, topic, settings.clock.now())
      await loadTraceApi()
      if (trx === undefined) return db.transaction((scope) => deliverOne(settings, tables, scope, record))
      return deliverOne(settings, tables, { trx, tx: db.txOf(trx) }, record)
    },
    get state() {
      return state
    },
    counters: () => counters.snapshot(),
  }
}
