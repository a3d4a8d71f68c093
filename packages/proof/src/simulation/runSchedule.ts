import { createRelay, type Relay, type RelayEvent } from '@oncebox/relay'
import { judgeHistory, type Violation } from '@oncebox/testkit'
import type { Publisher } from '@oncebox/transport'
import { diceOf } from './dice.js'
import { ModelBroker } from './modelBroker.js'
import { ModelDatabase } from './modelDatabase.js'
import { type ModelPoolParts, type ModelSession, modelPool } from './modelPool.js'
import { SimulatedProcess } from './process.js'
import type { FaultPlan, Schedule } from './schedule.js'
import { Timeline } from './timeline.js'
import { Writers } from './writers.js'

/** A deliberate defect, as changes to what the relay says to others and hears from them. */
export interface Defect {
  /** For one relay process. */
  pool?(): NonNullable<ModelPoolParts['change']>
  publisher?(publisher: Publisher): Publisher
}

export interface RunResult {
  readonly violations: readonly Violation[]
  /** What happened, a line each; empty unless it was asked for. */
  readonly story: readonly string[]
  /** Of everything that happened, in its order. */
  readonly hash: number
  /** How much happened. */
  readonly steps: number
  readonly published: number
}

/** From here on the broker is well, in virtual milliseconds. */
const brokerFaultsEnd = 2_500
/** By then, without faults, everything has arrived or never will. */
const patience = 60_000
/** The shortest that the relay allows. */
const leaseMs = 1_000

/** Runs a schedule to its end, and judges what happened. The same schedule runs the same. */
export async function runSchedule(
  schedule: Schedule,
  options: { story?: boolean; defect?: Defect } = {},
): Promise<RunResult> {
  const run = new Run(schedule, options.story ?? false, options.defect ?? {})
  return run.result()
}

class Run {
  readonly #timeline = new Timeline()
  readonly #database = new ModelDatabase()
  readonly #story: string[] = []
  #hash = 0
  readonly #schedule: Schedule
  readonly #defect: Defect
  readonly #broker: ModelBroker
  readonly #writers: Writers
  readonly #relays: { process: SimulatedProcess; sessions: Set<ModelSession>; relay: Relay }[] = []
  readonly #tells: boolean
  #unknown: unknown
  #down = false
  #started = 0

  constructor(schedule: Schedule, tells: boolean, defect: Defect) {
    this.#schedule = schedule
    this.#tells = tells
    this.#defect = defect
    const number = (writer: number, step: number): number => writer * 100 + step
    this.#broker = new ModelBroker({
      timeline: this.#timeline,
      partitions: schedule.partitions,
      faults: schedule.brokerFaults,
      refused: new Map(schedule.refused.map(({ writer, step, until }) => [number(writer, step), until])),
      missing: new Map(schedule.missing.map(({ topic, until }) => [topic, until])),
      tell: this.#tell,
    })
    this.#writers = new Writers({ database: this.#database, timeline: this.#timeline, tell: this.#tell })
  }

  async result(): Promise<RunResult> {
    const { writers, faults, relays } = this.#schedule
    const timeline = this.#timeline
    for (const plan of writers) this.#writers.start(plan)
    for (const fault of faults) timeline.after(fault.at, () => this.#strike(fault))
    for (let index = 0; index < relays; index++) this.#startRelay(index)
    this.#flushNow()
    timeline.after(brokerFaultsEnd, () => {
      this.#broker.faulty = false
    })
    const lastFault = Math.max(0, ...faults.map(({ at }) => at))
    const done = (): boolean => this.#writers.open === 0 && timeline.now >= lastFault && this.#arrived()
    await timeline.run(patience, done)
    for (const { process } of this.#relays) process.kill()
    if (this.#unknown !== undefined) throw this.#unknown
    return {
      violations: judgeHistory({
        emits: this.#writers.committed,
        rolledBack: this.#writers.rolledBack,
        records: this.#broker.records,
        writes: this.#database.writes,
        settled: true,
        faults: true,
      }),
      story: this.#story,
      hash: this.#hash,
      steps: timeline.steps,
      published: this.#broker.records.length,
    }
  }

  #arrived(): boolean {
    const there = new Set(this.#broker.records.map(({ id }) => id))
    return this.#writers.committed.every(({ id }) => there.has(id))
  }

  /** Milliseconds and what happened; FNV-1a over all of it tells whether two runs were the same. */
  readonly #tell = (what: string): void => {
    const line = `${String(Math.round(this.#timeline.now)).padStart(6)} ms  ${what}`
    for (let at = 0; at < line.length; at++) this.#hash = Math.imul(this.#hash ^ line.charCodeAt(at), 0x01000193)
    if (this.#tells) this.#story.push(line)
  }

  /** The log writer: what was committed without waiting is on disk a while later. */
  #flushNow(): void {
    this.#database.flush()
    this.#timeline.after(200, () => this.#flushNow())
  }

  #startRelay(index: number): void {
    const process = new SimulatedProcess(this.#timeline)
    const sessions = new Set<ModelSession>()
    const dice = diceOf(this.#schedule.seed, 1, index, this.#started++)
    const change = this.#defect.pool?.()
    const pool = modelPool({
      database: this.#database,
      timeline: this.#timeline,
      process,
      dice,
      sessions,
      reachable: () => !this.#down,
      tell: this.#tell,
      unknown: (error) => {
        this.#unknown ??= error
      },
      ...(change === undefined ? {} : { change }),
    })
    const publisher = this.#broker.publisher(process, dice)
    const relay = createRelay({
      pool,
      publisher: this.#defect.publisher?.(publisher) ?? publisher,
      leaseMs,
      batchMessages: this.#schedule.batchMessages,
      parkAfterMs: 400,
      topicRetryMs: 100,
      reclaimEveryMs: 1_000_000,
      clock: process.clock,
      monotonicMs: process.monotonicMs,
      random: dice.next,
      holder: `relay ${index}`,
      onEvent: (event) => this.#tell(`relay ${index}: ${told(event)}`),
    })
    this.#relays[index] = { process, sessions, relay }
    // It may find the database away, as a process that a supervisor starts again.
    relay.start().catch(() => {
      if (process.alive) this.#timeline.after(50, () => this.#replace(index))
    })
  }

  #replace(index: number): void {
    this.#relays[index]?.process.kill()
    this.#startRelay(index)
  }

  #strike({ kind, relay: index, ms }: FaultPlan): void {
    const target = this.#relays[index % this.#relays.length]
    if (target === undefined) return
    const name = `relay ${index % this.#relays.length}`
    switch (kind) {
      case 'killRelay':
        this.#tell(`${name} is killed`)
        target.process.kill()
        this.#timeline.after(ms, () => this.#replace(index % this.#relays.length))
        return
      case 'pauseRelay':
        this.#tell(`${name} is stopped for ${ms} ms`)
        target.process.pause(ms)
        return
      case 'cutRelay':
        this.#tell(`${name} loses its connections`)
        for (const session of [...target.sessions]) session.cut()
        return
      case 'stopRelay':
        this.#tell(`${name} is asked to stop`)
        void target.relay.stop({ deadlineMs: 500 }).catch(() => undefined)
        this.#timeline.after(ms + 600, () => this.#replace(index % this.#relays.length))
        return
      case 'crashDatabase':
        this.#crash(ms)
    }
  }

  #crash(ms: number): void {
    this.#tell('the database crashes')
    this.#down = true
    const open = [...this.#writers.crash()]
    for (const { sessions } of this.#relays) {
      for (const session of [...sessions]) {
        open.push(...session.open)
        session.cut()
      }
    }
    this.#database.crash(open)
    this.#timeline.after(ms, () => {
      this.#down = false
      this.#tell(`the database is back, and hands out xid ${this.#database.transactions.next} next`)
    })
  }
}

function told(event: RelayEvent): string {
  const { event: what, count, epoch, code } = event as { event: string; count?: number; epoch?: number; code?: string }
  return [
    what,
    ...(code === undefined ? [] : [code]),
    ...(count === undefined ? [] : [`${count}`]),
    ...(epoch === undefined ? [] : [`epoch ${epoch}`]),
  ].join(' ')
}
