/** What a handler decided about its message instead of handling it. */
export type OutcomeKind = 'retryLater' | 'deadLetter' | 'skip'

const brand: unique symbol = Symbol.for('oncebox.handlerOutcome') as never

/** A decision of a handler, returned or thrown: an error, so that it can be thrown through anything. */
export class HandlerOutcome extends Error {
  override readonly name = 'HandlerOutcome'
  readonly [brand] = true
  /** What was decided. */
  readonly kind: OutcomeKind
  /** Of `retryLater`: milliseconds. */
  readonly afterMs: number

  constructor(kind: OutcomeKind, reason: string, afterMs = 0) {
    super(reason)
    this.kind = kind
    this.afterMs = afterMs
  }
}

/**
 * Not now: what the handler wrote is rolled back, and the message is tried again no sooner than in `ms` milliseconds.
 * Not counted as a failed attempt. Its key waits (policy `park`), or its partition.
 */
export function retryLater(ms: number): HandlerOutcome {
  return new HandlerOutcome('retryLater', 'retry later', Number.isFinite(ms) && ms > 0 ? Math.ceil(ms) : 0)
}

/**
 * Never: what the handler wrote is rolled back, and the message goes to the dead letters at once, with `reason`, which
 * people read there.
 */
export function deadLetter(reason: string): HandlerOutcome {
  return new HandlerOutcome('deadLetter', reason)
}

/**
 * Nothing to do: the message counts as handled and is recorded as such. Thrown, it rolls back what the handler wrote;
 * returned, it costs nothing, and what was written before stays. Returned by a batch handler it speaks for all its messages.
 */
export function skip(reason: string): HandlerOutcome {
  return new HandlerOutcome('skip', reason)
}

/** What was decided about a message that failed for good: by its handler, or by a declared unique constraint. */
export function decided(failure: {
  readonly outcome: HandlerOutcome | null
  readonly repeated: string | null
}): HandlerOutcome | null {
  return failure.repeated === null ? failure.outcome : doneAlready(failure.repeated)
}

/** What becomes of a message that violates a declared unique constraint also alone: what it would do is done. */
function doneAlready(constraint: string): HandlerOutcome {
  return skip(`done already: unique constraint ${constraint}`)
}

/** The outcome that was returned or thrown, or null. Works across copies of the package. */
export function outcomeOf(value: unknown): HandlerOutcome | null {
  return value instanceof Error && brand in value ? (value as HandlerOutcome) : null
}
