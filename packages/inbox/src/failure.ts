import { classifyTransactionError, isOnceboxError, uniqueViolation } from '@oncebox/core'
import { type HandlerOutcome, outcomeOf } from './outcome.js'
import { DatabaseWentBack } from './reached.js'

/** How far a transaction got, kept while it runs: after a failure it tells whose it may be. */
export interface SpanTrace {
  /** `inbox` and `finish` are our own statements before and after the handlers. */
  stage: 'inbox' | 'message' | 'batch' | 'finish' | 'commit'
  /** Records whose handler was called, ascending. */
  ran: number[]
  /** Records of the call that is running. */
  current: readonly number[]
}

export function newTrace(): SpanTrace {
  return { stage: 'inbox', ran: [], current: [] }
}

/** Why a transaction did not commit. */
export type Failure =
  /** The partition is no longer ours, or the stop deadline has passed. */
  | { readonly kind: 'abandoned' }
  /** The database has lost commits that this consumer saw: what was lost has to come again. */
  | { readonly kind: 'wentBack' }
  /** The database is away. */
  | { readonly kind: 'unavailable'; readonly error: unknown }
  /** Serialization failure, deadlock, out of memory, too many business keys: smaller transactions can pass. */
  | { readonly kind: 'conflict'; readonly ran: readonly number[]; readonly error: unknown }
  /** A statement of the inbox itself failed: no message is at fault. */
  | { readonly kind: 'inbox'; readonly error: unknown }
  /**
   * One of `suspects` (ascending, never empty) is at fault. `swallowed`: it hid the SQL error from us. `outcome`: it was
   * no error, a handler decided so. `repeated`: the declared unique constraint that says what the message would do is
   * done already.
   */
  | {
      readonly kind: 'suspects'
      readonly suspects: readonly number[]
      readonly swallowed: boolean
      readonly outcome: HandlerOutcome | null
      readonly repeated: string | null
      readonly error: unknown
    }

/**
 * Tells what a transaction's error means and which records can have caused it. `constraints`: the unique constraints
 * whose violation says that something is done already. Pure.
 */
export function failureOf(
  error: unknown,
  trace: SpanTrace,
  signalAborted: boolean,
  constraints: readonly string[] = [],
): Failure {
  if (signalAborted) return { kind: 'abandoned' }
  if (error instanceof DatabaseWentBack) return { kind: 'wentBack' }
  const meaning = outcomeOf(error) === null ? classifyTransactionError(error) : 'other'
  if (meaning === 'unavailable') return { kind: 'unavailable', error }
  // More business keys than a transaction may lock: half as many messages have half as many keys. One alone is at fault.
  const crowded = isOnceboxError(error, 'TOO_MANY_BUSINESS_KEYS') && trace.ran.length > 1
  if (meaning === 'conflict' || crowded) return { kind: 'conflict', ran: trace.ran, error }
  // An earlier handler caught an SQL error, and this statement only finds the transaction aborted.
  const swallowed = meaning === 'aborted' || (trace.stage === 'finish' && isOnceboxError(error, 'TRANSACTION_ENDED'))
  const suspects = suspectsOf(trace, swallowed)
  if (suspects.length === 0) return { kind: 'inbox', error }
  if (swallowed) return { kind: 'suspects', suspects, swallowed, outcome: null, repeated: null, error }
  const repeated = constraints.find((constraint) => uniqueViolation(error, constraint)) ?? null
  return { kind: 'suspects', suspects, swallowed, outcome: outcomeOf(error), repeated, error }
}

function suspectsOf(trace: SpanTrace, swallowed: boolean): readonly number[] {
  switch (trace.stage) {
    case 'inbox':
      return []
    case 'message':
    case 'batch':
      return swallowed ? trace.ran : trace.current
    case 'finish':
      return swallowed ? trace.ran : []
    case 'commit':
      // A deferred constraint can be anyone's.
      return trace.ran
  }
}
