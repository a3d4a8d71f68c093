import { type BatchPlan, bisected, committed, heldAt, isolated, type Span } from './batchPlan.js'
import { afterCommit, afterConflict, type BatchSize } from './batchSize.js'
import type { Failure } from './failure.js'
import { decided, type HandlerOutcome } from './outcome.js'
import type { PoisonPolicy } from './poison.js'

/** Where a batch stands. */
export interface BatchState {
  readonly plan: BatchPlan
  readonly size: BatchSize
  /** Conflicts in a row of transactions that cannot be made smaller. */
  readonly conflictsAlone: number
  /** The record that violated a declared unique constraint and is being run again, alone. */
  readonly repeating: number | null
}

/** What to do about a transaction that did not commit. */
export type Remedy =
  /** Go on with the next span of the plan. */
  | { readonly kind: 'again' }
  /** The same, after a short pause with jitter, so that those who met part. */
  | { readonly kind: 'againLater' }
  /** Record a failed attempt of the message at `index`, then `afterCounted`. */
  | { readonly kind: 'count'; readonly index: number }
  /** Do with the message at `index` what its handler decided. */
  | { readonly kind: 'obey'; readonly index: number; readonly outcome: HandlerOutcome }
  /** Nothing is wrong with any message: give the batch back and wait. */
  | { readonly kind: 'pause' }
  /** Give the batch back, and begin again where the database says. */
  | { readonly kind: 'goBack' }
  /** Give the batch back: it is not ours any more. */
  | { readonly kind: 'stop' }

/** A message that conflicts so often with nobody beside it in its transaction is not merely unlucky. */
const conflictsThatCount = 10

export function afterSpanCommitted(state: BatchState, span: Span, limit: number): BatchState {
  const size = afterCommit(state.size, limit)
  return { plan: committed(state.plan, span), size, conflictsAlone: 0, repeating: state.repeating }
}

/** The next step after a failed transaction. Pure. */
export function afterFailure(
  state: BatchState,
  span: Span,
  failure: Failure,
): { readonly state: BatchState; readonly remedy: Remedy } {
  switch (failure.kind) {
    case 'abandoned':
      return { state, remedy: { kind: 'stop' } }
    case 'wentBack':
      return { state, remedy: { kind: 'goBack' } }
    case 'unavailable':
    case 'inbox':
      return { state, remedy: { kind: 'pause' } }
    case 'conflict': {
      const size = afterConflict(state.size, span.to - span.from)
      if (failure.ran.length > 1 || span.to - span.from > 1) {
        return { state: { ...state, size, conflictsAlone: 0 }, remedy: { kind: 'againLater' } }
      }
      if (state.conflictsAlone + 1 < conflictsThatCount) {
        return {
          state: { ...state, size, conflictsAlone: state.conflictsAlone + 1 },
          remedy: { kind: 'againLater' },
        }
      }
      const [index] = failure.ran
      const remedy: Remedy = index === undefined ? { kind: 'pause' } : { kind: 'count', index }
      return { state: { ...state, size, conflictsAlone: 0 }, remedy }
    }
    case 'suspects': {
      const [index] = failure.suspects
      if (failure.suspects.length === 1 && index !== undefined) {
        const plan = isolated(state.plan, index)
        if (failure.repeated !== null && state.repeating !== index) {
          return { state: { ...state, plan, repeating: index }, remedy: { kind: 'again' } }
        }
        const outcome = decided(failure)
        return {
          state: { ...state, plan },
          remedy: outcome === null ? { kind: 'count', index } : { kind: 'obey', index, outcome },
        }
      }
      return { state: { ...state, plan: bisected(state.plan, failure.suspects) }, remedy: { kind: 'again' } }
    }
  }
}

/** What becomes of a message that cannot be handled now. */
export type Fate =
  /** A dead letter. */
  | 'bury'
  /** It and the later messages of its key wait in the database; the others go on. */
  | 'aside'
  /** It waits where it is, and its partition with it. */
  | 'hold'

export interface Standing {
  readonly policy: PoisonPolicy
  /** Failed attempts by now; 0 for one that its handler put off. */
  readonly attempts: number
  readonly limit: number
  readonly keyed: boolean
  /** Keys of the group that wait already because of a failure. */
  readonly keysAside: number
}

/** When so many keys fail, it is not about a message: the partitions wait, instead of moving into the database. */
export const mostKeysAside = 100

/** Pure. */
export function fateOf({ policy, attempts, limit, keyed, keysAside }: Standing): Fate {
  if (policy === 'block') return 'hold'
  if (attempts >= limit) return 'bury'
  return policy === 'park' && keyed && keysAside < mostKeysAside ? 'aside' : 'hold'
}

/** The plan once the fate of the message at `index` is known: settled by a span of its own, or held. Pure. */
export function afterFate(state: BatchState, index: number, fate: Fate): BatchState {
  return { ...state, plan: fate === 'hold' ? heldAt(state.plan, index) : isolated(state.plan, index) }
}
