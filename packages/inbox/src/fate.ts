import { type ErrorCode, isOnceboxError, OnceboxError } from '@oncebox/core'
import { recordAttempt, storedErrorOf } from './attempts.js'
import { backoffMs } from './backoff.js'
import { type Fate, fateOf, mostKeysAside } from './decide.js'
import type { Item, Verdict } from './decode.js'
import type { Failure } from './failure.js'
import type { HandlerOutcome } from './outcome.js'
import { countKeysAside } from './parking.js'
import { policyOf } from './poison.js'
import type { SpanParts } from './trySpan.js'

/** What becomes of a message, and the verdict under which its next span settles it. */
export interface Settled {
  readonly fate: Fate
  /** For `hold`, as it was. */
  readonly verdict: Verdict
  /** For `hold`. */
  readonly retryAfterMs: number
}

/** Counts a failed attempt of `item` and decides what becomes of it. Rejects when the database does not answer. */
export async function countFailure<Trx>(parts: SpanParts<Trx>, item: Item, failure: Failure): Promise<Settled> {
  const { settings, tables, report, caution } = parts
  const { error, reason } = causeOf(failure, item)
  const policy = policyOf(settings.poison, item.type)
  const keyed = item.record.key !== null
  const { attempts, keysAside } = await settings.db.transaction(async ({ tx }) => {
    const started = caution.started.has(item.id.identity)
    const count = await recordAttempt(tx, tables, settings.group, item.id, storedErrorOf(error), started)
    const asking = policy === 'park' && keyed && count < settings.attempts
    return { attempts: count, keysAside: asking ? await countKeysAside(tx, tables, settings.group, mostKeysAside) : 0 }
  })
  caution.started.delete(item.id.identity)
  report.attemptFailed(item, attempts, error)
  if (policy === 'block' && attempts >= settings.attempts) report.blocked(item, reason)
  const retryAfterMs = backoffMs(attempts, settings.backoff, settings.random())
  const fate = fateOf({ policy, attempts, limit: settings.attempts, keyed, keysAside })
  return settledAs(fate, item, { kind: 'dead', reason, error }, retryAfterMs)
}

/** What becomes of `item` after its handler decided so. Rejects when the database does not answer. */
export async function obey<Trx>(parts: SpanParts<Trx>, item: Item, outcome: HandlerOutcome): Promise<Settled> {
  const { settings, tables, report } = parts
  switch (outcome.kind) {
    case 'skip':
      return { fate: 'bury', verdict: { kind: 'skip', reason: outcome.message }, retryAfterMs: 0 }
    case 'deadLetter':
      return { fate: 'bury', verdict: { kind: 'dead', reason: 'HANDLER_GAVE_UP', error: outcome }, retryAfterMs: 0 }
    case 'retryLater': {
      const policy = policyOf(settings.poison, item.type)
      const keyed = item.record.key !== null
      const keysAside = await settings.db.transaction(({ tx }) =>
        countKeysAside(tx, tables, settings.group, mostKeysAside),
      )
      report.putOff(item, outcome.afterMs)
      const fate = fateOf({ policy, attempts: 0, limit: settings.attempts, keyed, keysAside })
      return settledAs(fate, item, item.verdict, outcome.afterMs)
    }
  }
}

function settledAs(fate: Fate, item: Item, dead: Verdict, retryAfterMs: number): Settled {
  switch (fate) {
    case 'bury':
      return { fate, verdict: dead, retryAfterMs }
    case 'aside':
      return { fate, verdict: { kind: 'aside', dueInMs: retryAfterMs }, retryAfterMs }
    case 'hold':
      return { fate, verdict: item.verdict, retryAfterMs }
  }
}

/** The error to keep for a message that failed, and the reason under which it goes to the dead letters. */
export function causeOf(
  failure: Failure,
  item: Pick<Item, 'type'>,
): { readonly error: unknown; readonly reason: ErrorCode } {
  const error = 'error' in failure ? failure.error : undefined
  if (failure.kind !== 'suspects' || !failure.swallowed) return { error, reason: 'HANDLER_FAILED' }
  if (isOnceboxError(error, 'TRANSACTION_ENDED')) return { error, reason: error.code }
  return { error: swallowedError(item.type, error), reason: 'TRANSACTION_ABORTED' }
}

export function swallowedError(type: string, cause: unknown): OnceboxError {
  const what = `The handler of ${JSON.stringify(type)} caught an SQL error and went on; COMMIT would have rolled back`
  return new OnceboxError('TRANSACTION_ABORTED', what, {
    next: 'Let SQL errors leave the handler, or run such statements inside a savepoint.',
    cause,
  })
}
