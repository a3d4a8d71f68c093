import { between, type Random, seededRandom } from './random.js'

/** One SIGKILL. */
export interface Kill {
  /** The share of all messages, 0 to 1, that are published (relay) or booked (consumer) when it is due. */
  readonly at: number
  /** Then so many milliseconds later, so that it hits whatever the victim is at. */
  readonly delayMs: number
}

/** What goes wrong in a run, and when. */
export interface FaultPlan {
  readonly relayKills: readonly Kill[]
  readonly consumerKills: readonly Kill[]
  /** The share of the producer's transactions that roll back after they emitted. */
  readonly rollbackShare: number
  /** The share of the relay's publish calls whose acknowledgement is lost, so that it sends again. */
  readonly lostAckShare: number
}

const firstAt = 0.08
const lastAt = 0.88

/** The faults of a seed: at least three kills of each service, spread over the run. */
export function faultPlan(seed: number): FaultPlan {
  const random = seededRandom(seed)
  return {
    relayKills: spread(random, between(random, 3, 5)),
    consumerKills: spread(random, between(random, 3, 4)),
    rollbackShare: 0.02 + random() * 0.03,
    lostAckShare: 0.02 + random() * 0.03,
  }
}

/** One kill somewhere in each of `count` equal stretches of the run. */
function spread(random: Random, count: number): Kill[] {
  const stretch = (lastAt - firstAt) / count
  return Array.from({ length: count }, (_, index) => ({
    at: firstAt + stretch * (index + random()),
    delayMs: between(random, 0, 40),
  }))
}
