import { setTimeout as sleep } from 'node:timers/promises'
import type { FaultPlan, Kill } from './faultPlan.js'
import type { Progress, Screen } from './screen.js'
import type { ServiceSetup } from './serviceSetup.js'
import { type SupervisedService, superviseService } from './supervised.js'
import type { TransportView } from './transportView.js'

const tickMs = 25
const lookEveryMs = 250
/** With nothing moving for so long, the account is settled as it is: the rest counts as lost. */
const stallMs = 45_000

export interface DayOptions {
  readonly setup: ServiceSetup
  readonly plan: FaultPlan
  readonly view: TransportView
  readonly screen: Screen
  /** How many deliveries the log has. */
  readonly delivered: () => Promise<number>
  /** How many ledger entries there are. */
  readonly booked: () => Promise<number>
  readonly signal: AbortSignal
}

export interface DayResult {
  readonly relayKills: number
  readonly consumerKills: number
  readonly seconds: number
}

/**
 * Runs the three services until every order is billed and the transport is empty, and kills two of them on the way.
 * Rejects when a service ends by itself, or with the signal's reason. No process is left in any case.
 */
export async function liveThrough(options: DayOptions): Promise<DayResult> {
  const { setup, plan, view, screen, signal } = options
  const orders = superviseService('orderService', setup)
  const relay = superviseService('relayService', setup)
  const billing = superviseService('billingService', setup)
  const services = [orders, relay, billing]
  const began = performance.now()
  const seconds = () => (performance.now() - began) / 1_000
  // Deliveries would be the wrong measure for the consumer: after a kill a whole backlog is delivered at once, and one
  // kill would follow the other before anything was booked.
  let booked = 0
  const relayAt = () => relay.count / setup.messages
  const billingAt = () => booked / setup.messages
  const faults = [
    fault(relay, 'the relay', plan.relayKills, relayAt, 'the next one waits for its lease to end, then goes on'),
    fault(billing, 'the billing service', plan.consumerKills, billingAt, 'what it had in hand will come again'),
  ]

  async function look(): Promise<Progress> {
    return {
      seconds: seconds(),
      messages: setup.messages,
      committed: orders.count,
      rolledBack: orders.mishaps,
      published: await view.published(),
      lostAcks: relay.mishaps,
      delivered: await options.delivered(),
      booked: await options.booked(),
      relayKills: relay.kills,
      consumerKills: billing.kills,
    }
  }

  async function untilBilled(): Promise<void> {
    let moved = performance.now()
    let before = ''
    let nextLook = 0
    for (;;) {
      signal.throwIfAborted()
      for (const service of services) {
        const failure = service.failure()
        if (failure !== undefined) throw new Error(failure)
      }
      if (performance.now() >= nextLook) {
        const progress = await look()
        booked = progress.booked
        screen.progress(progress)
        nextLook = performance.now() + lookEveryMs
        const state = JSON.stringify({ ...progress, seconds: 0 })
        if (state !== before) moved = performance.now()
        before = state
        const billed = orders.done && progress.booked >= orders.count
        if (billed && faults.every((each) => each.over()) && (await view.waiting()) === 0) return
        if (performance.now() - moved > stallMs) {
          screen.tell(`${stamp(seconds())} nothing has moved for ${stallMs / 1_000} s: settling the account as it is`)
          return
        }
        // At the end there may be no work left to be hit in the middle of.
        if (billed) for (const each of faults) await each.strike(screen, seconds, true)
      }
      for (const each of faults) await each.strike(screen, seconds, false)
      await sleep(tickMs)
    }
  }

  try {
    for (const service of services) service.start()
    await untilBilled()
    // The relay leaves first, so that nothing new comes while the transport empties.
    await relay.stop(10_000)
    const deadline = performance.now() + stallMs
    while ((await view.waiting()) > 0 && performance.now() < deadline) await sleep(tickMs)
    await billing.stop(10_000)
    return { relayKills: relay.kills, consumerKills: billing.kills, seconds: seconds() }
  } finally {
    await Promise.all(services.map((service) => service.stop(0)))
  }
}

interface Fault {
  over(): boolean
  /** Kills and starts again when a kill is due; `idle` also when the victim has done nothing yet. */
  strike(screen: Screen, seconds: () => number, idle: boolean): Promise<void>
}

/** `at` tells the share of all messages that the victim's side has come to. */
function fault(victim: SupervisedService, who: string, kills: readonly Kill[], at: () => number, then: string): Fault {
  const left = [...kills]
  return {
    over: () => left.length === 0,
    async strike(screen, seconds, idle) {
      const next = left[0]
      if (next === undefined || !victim.ready) return
      if (!idle && (victim.countOfThis === 0 || at() < next.at)) return
      left.shift()
      await sleep(next.delayMs)
      await victim.kill()
      screen.fault(`${stamp(seconds())} SIGKILL ${who} (${victim.kills} of ${kills.length}): ${then}`)
      victim.start()
    },
  }
}

function stamp(seconds: number): string {
  return `${seconds.toFixed(1).padStart(6)} s `
}
