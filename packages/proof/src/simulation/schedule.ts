import { type Dice, diceOf } from './dice.js'
import { withDueTimes } from './dueTimes.js'
import { type PausePlan, pausesOf } from './pausePlans.js'
import type { StatementFault } from './statementFaults.js'

/** What a writing transaction does, step by step, with pauses in milliseconds. */
export interface WriterPlan {
  readonly id: number
  readonly at: number
  readonly steps: readonly WriterStep[]
  readonly end: 'commit' | 'rollback' | 'prepare' | 'prepareAndRollback' | 'lostConnection'
  /** Between the last step and the end, and between prepare and its end. */
  readonly pauseMs: number
}

export interface WriterStep {
  readonly pauseMs: number
  readonly topic: string
  /** Null: a message without a key, of a row that nobody else wants. */
  readonly key: string | null
  /** Between what the defaults of the new row say and the lock of its leaf. */
  readonly lateMs: number
  /** Only gets a transaction id: something else was written. */
  readonly silent: boolean
  /** When the message is to be delivered at the earliest, in virtual milliseconds; null, or a time that has passed: at once. */
  readonly dueAt: number | null
}

const relayFaults = ['killRelay', 'pauseRelay', 'cutRelay', 'cutRelay', 'crashDatabase', 'stopRelay'] as const
const consumerFaults = ['killConsumer', 'pauseConsumer', 'cutConsumer', 'rebalance', 'crashDatabase'] as const

export type FaultKind = (typeof relayFaults)[number] | (typeof consumerFaults)[number]

export interface FaultPlan {
  readonly id: number
  readonly at: number
  readonly kind: FaultKind
  /** Which of the relays or consumers. */
  readonly index: number
  /** How long it lasts, in milliseconds. */
  readonly ms: number
}

/** A message, by writer and step, whose handler fails until a time, or ends its process. */
export interface PoisonousMessage {
  readonly writer: number
  readonly step: number
  readonly until: number
  readonly kills: boolean
}

/** What becomes of poisonous messages is the policy's. */
export interface PoisonPlan {
  readonly policy: 'park' | 'skip' | 'block'
  readonly messages: readonly PoisonousMessage[]
}

/** Leaves of the outbox are emptied behind what is published, in milliseconds. */
export interface RingPlan {
  readonly retentionMs: number
  readonly leafWidthMs: number
  readonly everyMs: number
}

/** The clock of the inbox's database jumps over days, and back; old ids are forgotten; all records come once more. */
export interface DaysPlan {
  readonly jumps: readonly { readonly at: number; readonly aheadDays: number }[]
  /** When the storage of old ids is given back. */
  readonly prunes: readonly number[]
  /** When every record that is there is written again. */
  readonly replays: readonly number[]
}

/** The keys are shared out over another number of lanes. */
export interface LaneChangePlan {
  readonly at: number
  readonly lanes: number
  /** How long its transaction stays open afterwards, in milliseconds. */
  readonly holdMs: number
}

/** The first statement of its kind that a relay or consumer sends after a time goes wrong. */
export interface StatementFaultPlan {
  readonly at: number
  readonly who: 'relay' | 'consumer'
  readonly index: number
  readonly kind: StatementFault
  readonly of: 'any' | 'change' | 'commit' | 'handler'
}

/** All that is going to happen, but for what follows from it. Without one of its parts it is a schedule too. */
export interface Schedule {
  readonly seed: number
  /** For each lane. */
  readonly relays: number
  /** At the beginning. */
  readonly lanes: number
  readonly laneChanges: readonly LaneChangePlan[]
  readonly pauses: readonly PausePlan[]
  /** None: only what is at the broker is looked at. */
  readonly consumers: number
  /** How long handlers take at most. */
  readonly handlerMs: number
  /** Handlers catch the errors of their statements, and go on as if nothing had been. */
  readonly swallows: boolean
  readonly partitions: number
  readonly batchMessages: number
  readonly brokerFaults: { readonly ackLost: number; readonly lost: number; readonly late: number }
  readonly poison: PoisonPlan
  /** Null: the ring stands still. */
  readonly ring: RingPlan | null
  readonly days: DaysPlan | null
  readonly writers: readonly WriterPlan[]
  readonly faults: readonly FaultPlan[]
  readonly statementFaults: readonly StatementFaultPlan[]
  /** Messages by writer and step, refused until this time. */
  readonly refused: readonly { readonly writer: number; readonly step: number; readonly until: number }[]
  readonly missing: readonly { readonly topic: string; readonly until: number }[]
}

/** Later than any schedule ends, in milliseconds: what is refused until then is never sent. */
const never = 1_000_000

/** Everything begins within so many milliseconds; the shorter, the more of it meets. */
const span = 300

/** The schedule of a seed: small, and full of trouble. */
export function scheduleOf(seed: number): Schedule {
  const dice = diceOf(seed, 0)
  const consumers = dice.chance(0.6) ? 0 : 1 + dice.below(2)
  const relays = dice.chance(0.35) ? 1 : 2
  const writers = withDueTimes(
    seed,
    Array.from({ length: 2 + dice.below(6) }, (_, id) => writer(id, dice)),
  )
  const faults = Array.from({ length: dice.below(5) }, (_, id): FaultPlan => {
    const kind = consumers > 0 && dice.chance(0.6) ? dice.pick(consumerFaults) : dice.pick(relayFaults)
    // A relay is stopped for longer than its lease, mostly.
    const ms = kind === 'pauseRelay' ? 900 + dice.below(600) : dice.below(200)
    return { id, at: dice.below(span), kind, index: dice.below(4), ms }
  })
  const refused = dice.chance(0.15)
    ? [{ writer: dice.below(writers.length), step: 0, until: dice.chance(0.3) ? never : 300 + dice.below(1_500) }]
    : []
  const shared = sharing(seed)
  return {
    seed,
    relays,
    ...shared,
    pauses: pausesOf(seed, mostLanes(shared), 2 * span),
    consumers,
    handlerMs: dice.chance(0.5) ? 0 : 20,
    partitions: 1 + dice.below(2),
    batchMessages: dice.pick([1, 2, 3, 20]),
    brokerFaults: dice.chance(0.5) ? { ackLost: 0.1, lost: 0.1, late: 0.1 } : { ackLost: 0, lost: 0, late: 0 },
    poison: poisonOf(seed, writers.length),
    ring: ringOf(seed),
    days: consumers > 0 ? daysOf(seed) : null,
    writers,
    faults,
    ...statementTrouble(seed, consumers),
    refused,
    missing: dice.chance(0.07) ? [{ topic: 'b', until: dice.chance(0.3) ? never : 200 + dice.below(600) }] : [],
  }
}

function ringOf(seed: number): RingPlan | null {
  const dice = diceOf(seed, 9)
  if (dice.chance(0.75)) return null
  return { retentionMs: dice.below(60), leafWidthMs: 1 + dice.below(60), everyMs: 20 + dice.below(60) }
}

function daysOf(seed: number): DaysPlan | null {
  const dice = diceOf(seed, 10)
  if (dice.chance(0.7)) return null
  const at = 300 + dice.below(600)
  const back = at + 50 + dice.below(400)
  const ahead = { at, aheadDays: 5 + dice.below(10) }
  return {
    jumps: dice.chance(0.6) ? [ahead, { at: back, aheadDays: 0 }] : [ahead],
    prunes: Array.from({ length: 1 + dice.below(3) }, () => at + dice.below(300)),
    replays: Array.from({ length: 1 + dice.below(2) }, () => at - 50 + dice.below(600)),
  }
}

function poisonOf(seed: number, writers: number): PoisonPlan {
  const dice = diceOf(seed, 8)
  const messages = Array.from({ length: dice.chance(0.4) ? 0 : 1 + dice.below(4) }, () => {
    const until = 200 + dice.below(1_200)
    return { writer: dice.below(writers), step: dice.below(2), until, kills: dice.chance(0.25) }
  })
  const policy = dice.pick(['park', 'park', 'park', 'skip', 'block'] as const)
  // What becomes a dead letter and is not asked for again may end its process for as long as anybody tries.
  if (policy !== 'skip') return { policy, messages }
  return { policy, messages: messages.map((message) => (message.kills ? { ...message, until: never } : message)) }
}

/** How many lanes there are at any time. */
export function mostLanes({ lanes, laneChanges }: Pick<Schedule, 'lanes' | 'laneChanges'>): number {
  return Math.max(lanes, ...laneChanges.map((change) => change.lanes))
}

/** Mostly one lane, as most have. */
function sharing(seed: number): Pick<Schedule, 'lanes' | 'laneChanges'> {
  const dice = diceOf(seed, 6)
  if (dice.chance(0.75)) return { lanes: 1, laneChanges: [] }
  const laneChanges = Array.from({ length: dice.below(3) }, (): LaneChangePlan => {
    const holdMs = dice.chance(0.3) ? dice.below(100) : 0
    return { at: dice.below(2 * span), lanes: 1 + dice.below(3), holdMs }
  })
  return { lanes: 1 + dice.below(3), laneChanges }
}

const statementFaults = [
  'serialization',
  'deadlock',
  'timeout',
  'memory',
  'lostBefore',
  'lostBefore',
  'lostAfter',
  'lostAfter',
] as const

const relayStatements = ['any', 'change', 'change', 'commit'] as const
const consumerStatements = ['any', 'change', 'commit', 'handler'] as const

function statementTrouble(seed: number, consumers: number): Pick<Schedule, 'statementFaults' | 'swallows'> {
  const dice = diceOf(seed, 5)
  const plans = Array.from({ length: dice.chance(0.4) ? 1 + dice.below(4) : 0 }, (): StatementFaultPlan => {
    const who = consumers > 0 && dice.chance(0.6) ? 'consumer' : 'relay'
    const of = dice.pick(who === 'relay' ? relayStatements : consumerStatements)
    return { at: dice.below(2 * span), who, index: dice.below(2), kind: dice.pick(statementFaults), of }
  })
  return { statementFaults: plans, swallows: dice.chance(0.3) }
}

function writer(id: number, dice: Dice): WriterPlan {
  const keys = ['k1', 'k2', 'k3', null]
  const steps = Array.from({ length: 1 + dice.below(4) }, (): WriterStep => {
    const topic = dice.chance(0.8) ? 'a' : 'b'
    const lateMs = dice.chance(0.15) ? dice.below(150) : 0
    return { pauseMs: pause(dice), topic, key: dice.pick(keys), lateMs, silent: dice.chance(0.2), dueAt: null }
  })
  const fate = dice.next()
  const end =
    fate < 0.72
      ? 'commit'
      : fate < 0.84
        ? 'rollback'
        : fate < 0.9
          ? 'prepare'
          : fate < 0.93
            ? 'prepareAndRollback'
            : 'lostConnection'
  return { id, at: dice.below(span), steps, end, pauseMs: pause(dice) }
}

/** Mostly short, now and then long enough that much else happens. */
function pause(dice: Dice): number {
  return dice.chance(0.2) ? dice.below(200) : dice.below(12)
}
