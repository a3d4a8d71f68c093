import type { DeadLetter } from './deadLetters.js'
import type { Item } from './decode.js'
import { type Gate, refusalError, refusalOf } from './floor.js'
import { type KeyPlace, keyPlaceOf, type ParkedHead } from './parking.js'
import { type PoisonPolicies, parksKey, policyOf } from './poison.js'
import type { Runnable, Skipped } from './runHandlers.js'

export interface SortRules {
  readonly horizonMs: number
  readonly futureMs: number
  readonly poison: PoisonPolicies
}

/** What is to be done with the messages of a transaction that were not there before, each list in their order. */
export interface Sorted {
  readonly runnables: readonly Runnable[]
  readonly letters: readonly DeadLetter[]
  readonly skipped: readonly Skipped[]
  /** Keys that begin to wait. */
  readonly heads: readonly ParkedHead[]
  /** Messages that wait, those set aside among them. */
  readonly parked: readonly Item[]
}

/**
 * Of what has no id left here nobody knows whether it ran: past the horizon that is what has to be said, also of one whose
 * attempts are used up, for a retry of it would run it again. Pure.
 */
function mayHaveRun(verdict: Item['verdict']): boolean {
  return verdict.kind === 'run' || (verdict.kind === 'dead' && verdict.reason === 'CONSUMER_DIED')
}

/**
 * Decides about every new message, in order: from the first one of a key that waits, all later ones of that key wait.
 * `waiting`: the keys that waited before. `attemptOf`: the number of the attempt that begins. Pure.
 */
export function sortOut(
  items: Iterable<Item>,
  waiting: ReadonlySet<KeyPlace>,
  gate: Pick<Gate, 'floorMs' | 'nowMs'>,
  rules: SortRules,
  attemptOf: (item: Item) => number,
): Sorted {
  const runnables: Runnable[] = []
  const letters: DeadLetter[] = []
  const skipped: Skipped[] = []
  const heads: ParkedHead[] = []
  const parked: Item[] = []
  const closed = new Set(waiting)
  for (const item of items) {
    const { verdict, id } = item
    const refusal = mayHaveRun(verdict) ? refusalOf(id, gate, rules) : null
    if (refusal !== null) {
      letters.push({ item, reason: refusal, error: refusalError(refusal), parks: false })
      continue
    }
    // Digests are only made where something waits, or begins to.
    const place = closed.size > 0 ? keyPlaceOf(item) : null
    if (place !== null && id.kind !== 'none' && closed.has(place)) {
      parked.push(item)
      continue
    }
    switch (verdict.kind) {
      case 'run':
        runnables.push({ item, message: verdict.message, attempt: attemptOf(item) })
        break
      case 'skip':
        skipped.push({ item, reason: verdict.reason })
        break
      case 'dead': {
        const own = parksKey(policyOf(rules.poison, item.type), verdict.reason) ? keyPlaceOf(item) : null
        letters.push({ item, reason: verdict.reason, error: verdict.error, parks: own !== null })
        if (own !== null) {
          closed.add(own)
          heads.push({ place: own, dueInMs: null })
        }
        break
      }
      case 'aside': {
        const own = keyPlaceOf(item)
        parked.push(item)
        if (own !== null) {
          closed.add(own)
          heads.push({ place: own, dueInMs: verdict.dueInMs })
        }
      }
    }
  }
  return { runnables, letters, skipped, heads, parked }
}
