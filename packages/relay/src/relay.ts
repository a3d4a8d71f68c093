import { hostname } from 'node:os'
import { isOnceboxError, OnceboxError, sqlState } from '@oncebox/core'
import { loadTraceApi, outsideTraces } from '@oncebox/core/tracing'
import { requireSchema, type Tables, tables as tablesOf } from '@oncebox/schema'
import { backoffMs, databaseBackoff } from './backoff.js'
import { type Acquired, acquire } from './cursor.js'
import type { RelayEvent } from './events.js'
import { adoptDatabase } from './identity.js'
import { requireKeptSession } from './keptSession.js'
import { cursorSessionSettings } from './parked.js'
import { Session } from './session.js'
import { type RelayOptions, type RelaySettings, relaySettings } from './settings.js'
import { Tenure } from './tenure.js'
import { windowSessionSettings } from './windowQuery.js'

/** What a relay is doing. */
export type RelayState = 'idle' | 'starting' | 'standby' | 'holder' | 'interrupted' | 'stopping' | 'stopped'

/** What became of the messages that were there when `drain` was called. */
export interface DrainResult {
  /** Records acked while draining. */
  readonly published: number
  /** Messages moved aside while draining. */
  readonly parked: number
}

/** Publishes the committed messages of one lane, in order, as long as it holds the lane; otherwise stands by. */
export interface Relay {
  /** What it is doing now. */
  readonly state: RelayState
  /**
   * Connects, checks the schema and tries for the lane. Resolves when the relay holds it or stands by; from then on it
   * goes on by itself through whatever happens to Postgres and the transport; when its lane is removed it ends, with the
   * event `lane_removed`.
   *
   * @throws OnceboxError `SCHEMA_NOT_MIGRATED`, `DATABASE_NOT_PRIMARY`, `TRANSPORT_UNREACHABLE`, `LANE_MISSING`,
   *   `INVALID_SETTING` (started twice); the driver's error when Postgres cannot be reached.
   */
  start(): Promise<void>
  /**
   * Finishes the publish in flight, writes the progress down and gives the lane back, so that a standby takes over at
   * once. Idempotent. The pool and the publisher stay open.
   *
   * @throws OnceboxError `STOP_DEADLINE_PASSED` after `deadlineMs` milliseconds; the lease then runs out by itself.
   */
  stop(options?: { readonly deadlineMs?: number }): Promise<void>
  /**
   * Publishes everything that was committed when it was called. On a relay that was not started it starts one, drains
   * and stops it; on a standby it waits for the lane. Waits as long as the transport is away or the lane is paused;
   * `stop` ends it.
   *
   * @throws OnceboxError as `start`; `LEASE_LOST` when the relay is stopped meanwhile.
   */
  drain(): Promise<DrainResult>
}

/** A standby looks five times a second: that is how soon it takes over after a clean stop. */
const standbyPauseMs = 200

/** A large window is sorted once, at its start. That may take long; the lease is renewed on another session meanwhile. */
const largestWindowMs = 300_000

interface Drain {
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** Makes a relay for one lane. Nothing happens before `start` or `drain`. @throws OnceboxError `INVALID_SETTING` */
export function createRelay(options: RelayOptions): Relay {
  return new LaneRelay(options, relaySettings(options))
}

class LaneRelay implements Relay {
  readonly #options: RelayOptions
  readonly #settings: RelaySettings
  readonly #tables: Tables
  readonly #stop = new AbortController()
  readonly #drains = new Set<Drain>()
  readonly #counts = { published: 0, parked: 0 }
  #state: RelayState = 'idle'
  #tenure: Tenure | undefined
  #running: Promise<void> | undefined
  #ownToken: string | null = null

  constructor(options: RelayOptions, settings: RelaySettings) {
    this.#options = options
    this.#settings = { ...settings, onEvent: (event) => this.#happened(event) }
    this.#tables = tablesOf(settings.schema)
  }

  get state(): RelayState {
    return this.#state
  }

  async start(): Promise<void> {
    if (this.#running !== undefined) {
      throw new OnceboxError('INVALID_SETTING', 'The relay was started twice', { next: 'Make a new relay.' })
    }
    this.#state = 'starting'
    let started: () => void = () => {}
    const firstAnswer = new Promise<void>((resolve) => {
      started = resolve
    })
    const running = loadTraceApi().then(() => outsideTraces(() => this.#supervise(started)))
    this.#running = running.catch(() => undefined)
    await Promise.race([firstAnswer, running])
  }

  async stop(options: { readonly deadlineMs?: number } = {}): Promise<void> {
    if (this.#running === undefined || this.#state === 'stopped') return
    const deadlineMs = options.deadlineMs ?? this.#settings.stopDeadlineMs
    this.#state = 'stopping'
    this.#stop.abort()
    const intime = new AbortController()
    const ended = this.#running.then(() => true)
    const passed = this.#settings.clock.sleep(deadlineMs, intime.signal).then(() => false)
    const clean = await Promise.race([ended, passed])
    intime.abort()
    if (clean) return
    throw new OnceboxError('STOP_DEADLINE_PASSED', `The relay was still publishing after ${deadlineMs} ms`, {
      next: 'Its lease runs out by itself; what was in flight may be published again.',
    })
  }

  async drain(): Promise<DrainResult> {
    const before = { ...this.#counts }
    const own = this.#running === undefined
    if (own) await this.start()
    try {
      await new Promise<void>((resolve, reject) => {
        const drain = { resolve, reject }
        if (this.#state === 'stopped' || this.#state === 'stopping') return reject(stoppedMeanwhile())
        this.#drains.add(drain)
        this.#begin(drain)
      })
    } finally {
      if (own) await this.stop()
    }
    return { published: this.#counts.published - before.published, parked: this.#counts.parked - before.parked }
  }

  #begin(drain: Drain): void {
    this.#tenure?.drain(() => {
      this.#drains.delete(drain)
      drain.resolve()
    })
  }

  /** Term after term until stopped. Rejects only when the very first attempt fails. */
  async #supervise(started: () => void): Promise<void> {
    let failures = 0
    let hasStarted = false
    const settings = this.#settings
    const ready = () => {
      hasStarted = true
      failures = 0
      started()
    }
    try {
      while (!this.#stop.signal.aborted) {
        try {
          await this.#attempt(ready)
        } catch (error) {
          if (!hasStarted) throw error
          if (isOnceboxError(error, 'LANE_MISSING')) return this.#laneRemoved()
          failures++
          const retryInMs = backoffMs(databaseBackoff, failures, settings.random)
          this.#interrupted(error, retryInMs)
          await settings.clock.sleep(retryInMs, this.#stop.signal)
        }
      }
    } finally {
      this.#state = 'stopped'
      for (const drain of this.#drains) drain.reject(stoppedMeanwhile())
      this.#drains.clear()
      if (hasStarted) settings.onEvent({ event: 'stopped', lane: settings.lane })
    }
  }

  /** Connects, waits for the lane, and holds it until stopped or until something breaks. */
  async #attempt(ready: () => void): Promise<void> {
    const { pool, publisher } = this.#options
    const settings = this.#settings
    const timeoutMs = Math.max(settings.leaseMs, 15_000)
    const opened: Session[] = []
    const open = async (own: Readonly<Record<string, string>>, wireTimeoutMs = timeoutMs): Promise<Session> => {
      const session = await Session.open(pool, { settings: own, timeoutMs, wireTimeoutMs })
      opened.push(session)
      return session
    }
    try {
      await requireKeptSession(pool)
      const windowSession = await open({ ...windowSessionSettings, synchronous_commit: 'on' }, largestWindowMs)
      await this.#check(windowSession)
      if (this.#state === 'starting') await publisher.connect()
      const acquired = await this.#acquire(windowSession, ready)
      if (acquired === null) return
      this.#ownToken = acquired.lease.token
      const cursorSession = await open({ ...cursorSessionSettings, synchronous_commit: 'off' })
      const tables = this.#tables
      const parts = { pool, publisher, settings, tables, acquired, windowSession, cursorSession }
      this.#tenure = new Tenure(parts)
      if (this.#state !== 'stopping') this.#state = 'holder'
      settings.onEvent({ event: 'ready', lane: settings.lane, epoch: Number(acquired.lease.epoch) })
      ready()
      for (const drain of this.#drains) this.#begin(drain)
      try {
        await this.#tenure.run(this.#stop.signal)
      } catch (error) {
        if (isOnceboxError(error, 'LEASE_LOST')) {
          settings.onEvent({ event: 'lease_lost', lane: settings.lane, epoch: Number(acquired.lease.epoch) })
        }
        throw error
      }
    } finally {
      this.#tenure = undefined
      for (const session of opened) session.close()
    }
  }

  async #check(session: Session): Promise<void> {
    const settings = this.#settings
    await requireSchema(session.tx, { schema: settings.schema })
    if (!(await adoptDatabase(session, this.#tables))) return
    settings.logger.warn(
      { lane: settings.lane },
      'the cursors were written in another database, of which this one is a copy: everything retained is published again',
    )
    settings.onEvent({ event: 'identity_changed' })
  }

  /** Null: stopped while standing by. */
  async #acquire(session: Session, ready: () => void): Promise<Acquired | null> {
    const settings = this.#settings
    const holder = this.#options.holder ?? `${hostname()} ${process.pid}`
    while (!this.#stop.signal.aborted) {
      const { lane, leaseMs, monotonicMs } = settings
      const own = { lane, leaseMs, holder, ownToken: this.#ownToken, monotonicMs }
      const acquired = await acquire(session, this.#tables, own)
      if (acquired !== null) return acquired
      if (this.#state !== 'standby' && this.#state !== 'stopping') {
        this.#state = 'standby'
        settings.onEvent({ event: 'standby', lane })
      }
      ready()
      await settings.clock.sleep(standbyPauseMs, this.#stop.signal)
    }
    return null
  }

  /** Nobody can serve a lane that is not there: whoever runs this relay has to say which one it shall serve. */
  #laneRemoved(): void {
    const { lane, logger, onEvent } = this.#settings
    logger.error(
      { lane, next: 'See the lanes there are with "oncebox lanes".' },
      'the lane was removed; its relay ends',
    )
    onEvent({ event: 'lane_removed', lane })
  }

  #interrupted(error: unknown, retryInMs: number): void {
    const { lane, logger, onEvent } = this.#settings
    if (this.#state !== 'stopping') this.#state = 'interrupted'
    const code = isOnceboxError(error) ? error.code : (sqlState(error) ?? 'DATABASE_UNREACHABLE')
    logger.warn({ lane, code, retryInMs }, 'the relay was interrupted and starts over')
    onEvent({ event: 'interrupted', lane, code, retryInMs })
  }

  #happened(event: RelayEvent): void {
    if (event.event === 'published' || event.event === 'released') this.#counts.published += event.count
    if (event.event === 'parked') this.#counts.parked += event.count
    this.#options.onEvent?.(event)
  }
}

function stoppedMeanwhile(): OnceboxError {
  return new OnceboxError('LEASE_LOST', 'The relay was stopped before it was drained', { next: 'Start it again.' })
}
