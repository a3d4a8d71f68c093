import { altered } from './altered.js'
import { notConserved } from './conserved.js'
import { duplicates } from './duplicates.js'
import type { CommittedEmit, History } from './history.js'
import { lost } from './lost.js'
import { miscounted } from './miscounted.js'
import { outOfOrder } from './order.js'
import { movedPartition } from './partition.js'
import { phantoms } from './phantom.js'
import { ranTwice } from './ranTwice.js'
import { staleWrites } from './staleWrites.js'
import type { Violation } from './violation.js'

/** A history and its committed messages by id. */
export interface Case {
  readonly history: History
  readonly committed: ReadonlyMap<string, CommittedEmit>
}

const rules: readonly ((at: Case) => Violation[])[] = [
  phantoms,
  altered,
  lost,
  ranTwice,
  notConserved,
  outOfOrder,
  movedPartition,
  duplicates,
  staleWrites,
  miscounted,
]

/**
 * Judges a history: no committed message lost, none from nowhere or altered, every effect once and the totals their sum,
 * first deliveries of a key in the order of its writers, no key on two partitions, duplicates within their bound, no row
 * changed under a stale epoch, and counts that agree. Each violation comes with as little of the history as shows it.
 * Pure; takes time in proportion to the history.
 */
export function judgeHistory(history: History): Violation[] {
  const at: Case = { history, committed: new Map(history.emits.map((emit) => [emit.id, emit])) }
  return rules.flatMap((rule) => rule(at))
}
