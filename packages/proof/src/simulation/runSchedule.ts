import { createRelay, type Relay } from '@oncebox/relay'
import type { Broken } from './broken.js'
import { daysPass } from './daysPass.js'
import { retryDeadLetters } from './deadLetterDesk.js'
import type { Defect } from './defect.js'
import { type Dice, diceOf } from './dice.js'
import { runInboxStatement } from './inboxStatements.js'
import { judgeRun } from './judgeRun.js'
import { ModelBroker } from './modelBroker.js'
import { ModelDatabase } from './modelDatabase.js'
import { ModelGroup } from './modelGroup.js'
import { type ModelSession, modelPool, type SessionChange } from './modelPool.js'
import { Operator } from './operator.js'
import { numberOf } from './outboxRow.js'
import { PauseWatch } from './pauseWatch.js'
import { SimulatedProcess } from './process.js'
import { runRelayStatement } from './relayStatements.js'
import { toldEvent } from './relayStory.js'
import { type FaultPlan, mostLanes, type Schedule } from './schedule.js'
import { startConsumer } from './simulatedConsumer.js'
import { asideAtTheRelay, refusedByTheGroup } from './standing.js'
import { type Run, UnknownStatement } from './statement.js'
import { StatementFaults } from './statementFaults.js'
import { Timeline } from './timeline.js'
import { mostSteps, Writers } from './writers.js'

export interface RunResult {
  readonly violations: readonly Broken[]
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
const topics = ['a', 'b']
/** The shortest that the relay allows. */
const leaseMs = 1_000

/** Runs a schedule to its end, and judges what happened. The same schedule runs the same. */
export async function runSchedule(
  schedule: Schedule,
  options: { story?: boolean; defect?: Defect } = {},
): Promise<RunResult> {
  const run = new ScheduledRun(schedule, options.story ?? false, options.defect ?? {})
  return run.result()
}

interface RunningConsumer {
  readonly process: SimulatedProcess
  readonly sessions: Set<ModelSession>
}

interface RunningRelay extends RunningConsumer {
  readonly relay: Relay
}

class ScheduledRun {
  readonly #timeline = new Timeline()
  readonly #database: ModelDatabase
  readonly #story: string[] = []
  #hash = 0
  readonly #schedule: Schedule
  readonly #defect: Defect
  readonly #broker: ModelBroker
  readonly #writers: Writers
  readonly #relays: RunningRelay[] = []
  readonly #consumers: RunningConsumer[] = []
  readonly #group: ModelGroup
  readonly #tells: boolean
  readonly #everyRelay: Relay[] = []
  readonly #operator: Operator
  readonly #pauses: PauseWatch
  readonly #operatorSessions = new Set<ModelSession>()
  /** The most lanes that there are at any time. */
  readonly #mostLanes: number
  readonly #statementFaults = new Map<string, StatementFaults>()
  #unknown: unknown
  /** Errors of the server that no schedule has planned. */
  readonly #deadlocks: Broken[] = []
  #down = false
  #started = 0
  #arrivedBefore = -1

  constructor(schedule: Schedule, tells: boolean, defect: Defect) {
    this.#schedule = schedule
    this.#tells = tells
    this.#defect = defect
    this.#database = new ModelDatabase(schedule.lanes)
    this.#database.outboxIsReclaimed = schedule.ring !== null
    this.#database.laneRules = { ...this.#database.laneRules, ...defect.laneRules }
    this.#mostLanes = mostLanes(schedule)
    this.#broker = new ModelBroker({
      timeline: this.#timeline,
      partitions: schedule.partitions,
      faults: schedule.brokerFaults,
      refused: new Map(schedule.refused.map(({ writer, step, until }) => [messageNumber(writer, step), until])),
      missing: new Map(schedule.missing.map(({ topic, until }) => [topic, until])),
      tell: this.#tell,
    })
    this.#group = new ModelGroup({
      records: this.#broker.records,
      partitions: schedule.partitions,
      topics,
      tell: this.#tell,
    })
    this.#writers = new Writers({ database: this.#database, timeline: this.#timeline, tell: this.#tell })
    const process = new SimulatedProcess(this.#timeline)
    const dice = diceOf(schedule.seed, 7)
    const nothing = new StatementFaults([], this.#tell)
    const pool = this.#poolOf(process, dice, this.#operatorSessions, runRelayStatement, nothing)
    this.#pauses = new PauseWatch(() => this.#timeline.now)
    this.#operator = new Operator({ pool, process, watch: this.#pauses, tell: this.#tell })
  }

  /** Of one relay or consumer, whichever of its lives it is. */
  #faultsOf(who: 'relay' | 'consumer', index: number): StatementFaults {
    const name = `${who} ${index}`
    let faults = this.#statementFaults.get(name)
    if (faults === undefined) {
      const plans = this.#schedule.statementFaults.filter((plan) => plan.who === who && plan.index === index)
      faults = new StatementFaults(plans, this.#tell)
      this.#statementFaults.set(name, faults)
    }
    return faults
  }

  async result(): Promise<RunResult> {
    const { writers, faults, relays, laneChanges, pauses, consumers } = this.#schedule
    const timeline = this.#timeline
    for (const plan of writers) this.#writers.start(plan)
    for (const fault of faults) timeline.after(fault.at, () => this.#strike(fault))
    if (this.#schedule.poison.policy === 'park' && consumers > 0) {
      const [database, reachable, tell] = [this.#database, () => !this.#down, this.#tell]
      retryDeadLetters({ database, timeline, reachable, tell })
    }
    for (const plan of laneChanges) this.#operator.plan(plan)
    for (const plan of pauses) this.#operator.planPause(plan)
    for (let index = 0; index < relays * this.#mostLanes; index++) this.#startRelay(index)
    for (let index = 0; index < consumers; index++) this.#startConsumer(index)
    this.#flushNow()
    timeline.after(brokerFaultsEnd, () => {
      this.#broker.faulty = false
    })
    // Whoever was stopped has to come back while somebody looks.
    const lastFault = Math.max(0, ...faults.map(({ at, kind, ms }) => (kind === 'pauseRelay' ? at + ms + 50 : at)))
    const lastDay = this.#passDays()
    const quiet = (): boolean => this.#writers.open + this.#operator.open === 0
    const done = (): boolean => quiet() && timeline.now >= Math.max(lastFault, lastDay) && this.#arrived()
    await timeline.run(patience, done)
    for (const { process } of [...this.#relays, ...this.#consumers]) process.kill()
    const result = this.#judged()
    // Signals with listeners stay in memory until they abort, whoever is dead.
    for (const relay of this.#everyRelay) void relay.stop({ deadlineMs: 0 }).catch(() => undefined)
    if (this.#unknown !== undefined) throw this.#unknown
    return result
  }

  #passDays(): number {
    const { days, seed } = this.#schedule
    if (days === null) return 0
    const [database, broker, timeline, tell] = [this.#database, this.#broker, this.#timeline, this.#tell]
    const process = new SimulatedProcess(timeline)
    const run = this.#defect.inbox?.(runInboxStatement) ?? runInboxStatement
    const change = this.#defect.consumerPool?.()
    const nothing = new StatementFaults([], tell)
    const pool = this.#poolOf(process, diceOf(seed, 11), this.#operatorSessions, run, nothing, change)
    return daysPass(days, { database, broker, timeline, process, pool, tell })
  }

  #judged(): RunResult {
    const parts = { schedule: this.#schedule, database: this.#database, broker: this.#broker, writers: this.#writers }
    return {
      violations: [
        ...judgeRun({ ...parts, group: this.#group, ends: patience }),
        ...this.#deadlocks.slice(0, 1),
        ...this.#pauses.broken.slice(0, 1),
      ],
      story: this.#story,
      hash: this.#hash,
      steps: this.#timeline.steps,
      published: this.#broker.records.length,
    }
  }

  /** Looks when something has arrived, and else now and then. */
  #arrived(): boolean {
    const last = this.#schedule.consumers === 0 ? this.#broker.records : this.#database.inbox.effects
    if (last.length === this.#arrivedBefore && this.#timeline.steps % 16 !== 0) return false
    this.#arrivedBefore = last.length
    const there = new Set(last.map(({ id }) => id))
    const missing = this.#writers.committed.filter(({ id }) => !there.has(id))
    if (missing.length === 0) return true
    const aside = asideAtTheRelay(this.#database, this.#schedule, this.#broker.records, patience)
    const refused = new Set(refusedByTheGroup(this.#database, this.#schedule))
    return missing.every(({ id }) => aside.has(id) || refused.has(id))
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

  #poolOf(
    process: SimulatedProcess,
    dice: Dice,
    sessions: Set<ModelSession>,
    run: Run,
    faults: StatementFaults,
    change?: SessionChange,
  ) {
    return modelPool({
      database: this.#database,
      timeline: this.#timeline,
      process,
      dice,
      sessions,
      run,
      reachable: () => !this.#down,
      fault: (text, effects) => faults.next(text, effects, this.#timeline.now),
      tell: this.#tell,
      unknown: (error) => {
        if (error instanceof UnknownStatement) this.#unknown ??= error
        if (isDeadlock(error)) {
          this.#deadlocks.push({ rule: 'deadlock', message: 'two of the statements waited for each other' })
          this.#tell('two statements wait for each other, and one of them fails')
        }
      },
      ...(change === undefined ? {} : { change }),
    })
  }

  #startConsumer(index: number): void {
    const process = new SimulatedProcess(this.#timeline)
    const sessions = new Set<ModelSession>()
    const { seed, handlerMs, swallows, poison } = this.#schedule
    const poisonous = new Map(poison.messages.map((plan) => [messageNumber(plan.writer, plan.step), plan]))
    const trouble = (id: string): 'fails' | 'kills' | null => {
      const plan = poisonous.get(numberOf(id))
      if (plan === undefined || plan.until <= this.#timeline.now) return null
      return plan.kills ? 'kills' : 'fails'
    }
    const die = (): void => {
      this.#tell(`consumer ${index} is ended by its handler`)
      process.kill()
      if (this.#consumers[index]?.process === process) this.#timeline.after(40, () => this.#replaceConsumer(index))
    }
    const dice = diceOf(seed, 2, index, this.#started++)
    const run = this.#defect.inbox?.(runInboxStatement) ?? runInboxStatement
    const faults = this.#faultsOf('consumer', index)
    const pool = this.#poolOf(process, dice, sessions, run, faults, this.#defect.consumerPool?.())
    const subscriber = this.#group.subscriber(process, dice, `consumer ${index}`)
    this.#consumers[index] = { process, sessions }
    const rules = { handlerMs, swallows, poison: poison.policy, trouble, die }
    startConsumer({ pool, subscriber, topics, process, dice, ...rules })
  }

  #startRelay(index: number): void {
    const process = new SimulatedProcess(this.#timeline)
    const sessions = new Set<ModelSession>()
    const { seed, ring, batchMessages, pauses } = this.#schedule
    const lane = index % this.#mostLanes
    const { heard, watched } = this.#pauses.relay(lane)
    const dice = diceOf(seed, 1, index, this.#started++)
    const faults = this.#faultsOf('relay', index)
    const run = this.#defect.relay?.(runRelayStatement) ?? runRelayStatement
    const pool = this.#poolOf(process, dice, sessions, run, faults, this.#defect.pool?.())
    const publisher = watched(this.#broker.publisher(process, dice))
    const relay = createRelay({
      pool,
      publisher: this.#defect.publisher?.(publisher) ?? publisher,
      lane,
      leaseMs,
      batchMessages,
      parkAfterMs: 400,
      topicRetryMs: 100,
      pauseLookMs: pauses.length > 0 ? 40 : 1_000,
      retentionMs: ring?.retentionMs ?? 1_000_000,
      leafWidthMs: ring?.leafWidthMs ?? 1_000_000,
      reclaimEveryMs: ring?.everyMs ?? 1_000_000,
      clock: process.clock,
      monotonicMs: process.monotonicMs,
      random: dice.next,
      holder: `relay ${index}`,
      onEvent: (event) => {
        this.#tell(`relay ${index}: ${toldEvent(event)}`)
        heard(event)
        // Its supervisor starts it again: there may be such a lane once more.
        if (event.event === 'lane_removed') this.#timeline.after(100, () => this.#replace(index))
      },
    })
    this.#relays[index] = { process, sessions, relay }
    this.#everyRelay.push(relay)
    // It may find the database away, as a process that a supervisor starts again.
    relay.start().catch(() => {
      if (process.alive) this.#timeline.after(50, () => this.#replace(index))
    })
  }

  #replace(index: number): void {
    this.#relays[index]?.process.kill()
    this.#startRelay(index)
  }

  #strike(fault: FaultPlan): void {
    if (fault.kind === 'crashDatabase') this.#crash(fault.ms)
    else if (/Consumer|rebalance/.test(fault.kind)) this.#strikeConsumer(fault)
    else this.#strikeRelay(fault)
  }

  #strikeRelay({ kind, index: any, ms }: FaultPlan): void {
    const index = any % this.#relays.length
    const { process, sessions, relay } = this.#relays[index] as RunningRelay
    if (kind === 'killRelay') {
      this.#tell(`relay ${index} is killed`)
      process.kill()
      this.#timeline.after(ms, () => this.#replace(index))
    } else if (kind === 'pauseRelay') {
      this.#tell(`relay ${index} is stopped for ${ms} ms`)
      process.pause(ms)
    } else if (kind === 'cutRelay') {
      this.#tell(`relay ${index} loses its connections`)
      for (const session of [...sessions]) session.cut()
    } else {
      this.#tell(`relay ${index} is asked to stop`)
      void relay.stop({ deadlineMs: 500 }).catch(() => undefined)
      this.#timeline.after(ms + 600, () => this.#replace(index))
    }
  }

  #strikeConsumer({ kind, index: any, ms }: FaultPlan): void {
    if (this.#consumers.length === 0) return
    const index = any % this.#consumers.length
    const { process, sessions } = this.#consumers[index] as RunningConsumer
    const dice = diceOf(this.#schedule.seed, 3, this.#started++)
    if (kind === 'rebalance') {
      this.#tell('the group is rebalanced')
      this.#group.rebalance(dice)
    } else if (kind === 'cutConsumer') {
      this.#tell(`consumer ${index} loses its connections`)
      for (const session of [...sessions]) session.cut()
    } else if (kind === 'pauseConsumer') {
      this.#tell(`consumer ${index} is stopped for ${ms} ms, and taken for dead`)
      process.pause(ms)
      this.#group.leave(process)
      this.#timeline.after(ms + 1, () => this.#replaceConsumer(index))
    } else {
      this.#tell(`consumer ${index} is killed`)
      process.kill()
      this.#timeline.after(ms, () => this.#replaceConsumer(index))
    }
  }

  /** The old one, where it still lives, finishes what it had in hand. */
  #replaceConsumer(index: number): void {
    this.#startConsumer(index)
  }

  #crash(ms: number): void {
    this.#tell('the database crashes')
    this.#down = true
    const open = [...this.#writers.crash()]
    for (const { sessions } of [...this.#relays, ...this.#consumers, { sessions: this.#operatorSessions }]) {
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

function isDeadlock(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === '40P01'
}

/** Messages are numbered by who writes them, and at which step. */
function messageNumber(writer: number, step: number): number {
  return writer * mostSteps + step
}
