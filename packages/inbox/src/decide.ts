import { type BatchPlan, bisected, committed, heldAt, isolated, type Span } from './batchPlan.js'
import { afterCommit, afterConflict, type BatchSize } from './batchSize.js'
import type { Failure } from './failure.js'

/** Where a batch stands. */
export interface BatchState {
  readonly plan: BatchPlan
  readonly size: BatchSize
  /** Conflicts in a row of transactions that cannot be made smaller. */
  readonly conflictsAlone: number
}

/** What to do about a transaction that did not commit. */
export type Remedy =
  /** Go on with the next span of the plan. */
  | { readonly kind: 'again' }
  /** The same, after a short pause with jitter, so that those who met part. */
  | { readonly kind: 'againLater' }
  /** Record a failed attempt of the message at `index`, then `afterCounted`. */
  | { readonly kind: 'count'; readonly index: number }
  /** Nothing is wrong with any message: give the batch back and wait. */
  | { readonly kind: 'pause' }
  /** Give the batch back: it is not ours any more. */
  | { readonly kind: 'stop' }

/** A message that conflicts so often with nobody beside it in its transaction is not merely unlucky. */
const conflictsThatCount = 10

export function afterSpanCommitted(state: BatchState, span: Span, limit: number): BatchState {
  return { plan: committed(state.plan, span), size: afterCommit(state.size, limit), conflictsAlone: 0 }
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
        return {
          state: { ...state, plan: isolated(state.plan, index) },
          remedy: { kind: 'count', index },
        }
      }
      return { state: { ...state, plan: bisected(state.plan, failure.suspects) }, remedy: { kind: 'again' } }
    }
  }
}

/**
 * After the attempt of the message at `index` was counted as its `attempts`th: given up (`bury`: the next span with it
 * stores it as a dead letter), or held until its pause is over. Pure.
 */
export function afterCounted(
  state: BatchState,
  index: number,
  attempts: number,
  limit: number,
): { readonly state: BatchState; readonly bury: boolean } {
  if (attempts >= limit) return { state: { ...state, plan: isolated(state.plan, index) }, bury: true }
  return { state: { ...state, plan: heldAt(state.plan, index) }, bury: false }
}
