import { type ErrorCode, isOnceboxError, OnceboxError } from '@oncebox/core'
import type { Tables } from '@oncebox/schema'
import type { BatchProgress, IncomingBatch } from '@oncebox/transport'
import { recordAttempt, storedErrorOf } from './attempts.js'
import { backoffMs } from './backoff.js'
import { heldAt, nextSpan } from './batchPlan.js'
import type { BatchSize } from './batchSize.js'
import { runSpan } from './batchTransaction.js'
import { afterCounted, afterFailure, afterSpanCommitted, type BatchState } from './decide.js'
import { decodeItem, type Item } from './decode.js'
import { type Failure, failureOf, newTrace } from './failure.js'
import type { NextOffset } from './offsets.js'
import type { Report } from './report.js'
import type { Settings } from './settings.js'
import { planWithSuspects, type Suspects } from './suspects.js'

/** What batches of one consumer share. */
export interface BatchParts<Trx> {
  readonly settings: Settings<Trx>
  readonly tables: Tables
  readonly report: Report
  readonly suspects: Suspects
  /** True once the consumer stops: the running transaction is finished, no other begun. */
  readonly stopping: () => boolean
  /** Kept from batch to batch. */
  size: BatchSize
  /** Pauses in a row because of the database. */
  pauses: number
}

const blockedRetryMs = 5000
const conflictPauseMs = 30
const databasePause = { minMs: 200, maxMs: 10_000 }

/**
 * Settles the records of a batch in as few transactions as it takes, in order, and answers how far it got.
 * `overwrite`: the stored offset of this partition is of another life of its topic.
 */
export async function processBatch<Trx>(
  parts: BatchParts<Trx>,
  batch: IncomingBatch,
  overwrite: boolean,
): Promise<BatchProgress> {
  const { settings, report, suspects } = parts
  const { clock, random } = settings
  const items = batch.records.map((record, index) => decodeItem(record, index, settings))
  let { plan, retryAfterMs } = planWithSuspects(items, suspects, clock.now())
  const blocked = items.slice(0, plan.end).find((item) => item.verdict.kind === 'block')
  if (blocked?.verdict.kind === 'block') {
    report.blocked(blocked, blocked.verdict.reason)
    plan = heldAt(plan, blocked.index)
    retryAfterMs = blockedRetryMs
  }
  let state: BatchState = { plan, size: parts.size, conflictsAlone: 0 }

  for (;;) {
    if (batch.signal.aborted || parts.stopping()) return { done: state.plan.done }
    const span = nextSpan(state.plan, parts.size.messages)
    if (span === null) break
    const failure = await trySpan(parts, batch, items.slice(span.from, span.to), overwrite)
    if (failure === null) {
      state = afterSpanCommitted({ ...state, size: parts.size }, span, settings.batchMessages)
      parts.size = state.size
      parts.pauses = 0
      for (const item of items.slice(span.from, span.to)) suspects.delete(item.id.identity)
      continue
    }
    const next = afterFailure({ ...state, size: parts.size }, span, failure)
    state = next.state
    parts.size = state.size
    if (failure.kind === 'conflict') report.conflict(batch, state.size.messages)
    switch (next.remedy.kind) {
      case 'again':
        break
      case 'againLater':
        await clock.sleep(Math.round(conflictPauseMs * random()), batch.signal)
        break
      case 'stop':
        return { done: state.plan.done }
      case 'pause':
        return pause(parts, batch, state.plan.done, failure)
      case 'count': {
        const item = items[next.remedy.index] as Item
        const { error, reason } = causeOf(failure, item)
        let attempts: number
        try {
          attempts = await settings.db.transaction(({ tx }) =>
            recordAttempt(tx, parts.tables, settings.group, item.id, storedErrorOf(error)),
          )
        } catch (unrecorded) {
          return pause(parts, batch, state.plan.done, failureOf(unrecorded, newTrace(), batch.signal.aborted))
        }
        report.attemptFailed(item, attempts, error)
        const counted = afterCounted(state, item.index, attempts, settings.attempts)
        state = counted.state
        if (counted.bury) items[item.index] = { ...item, verdict: { kind: 'dead', reason, error } }
        else {
          retryAfterMs = backoffMs(attempts, settings.backoff, random())
          suspects.set(item.id.identity, clock.now() + retryAfterMs)
        }
      }
    }
  }
  const { done } = state.plan
  return done < items.length && retryAfterMs !== undefined ? { done, retryAfterMs } : { done }
}

/** One transaction over `items`; null when it committed. */
async function trySpan<Trx>(
  parts: BatchParts<Trx>,
  batch: IncomingBatch,
  items: readonly Item[],
  overwrite: boolean,
): Promise<Failure | null> {
  const { settings, tables, report } = parts
  const { signal } = batch
  const trace = newTrace()
  const next = nextOffsetOf(batch, items, overwrite)
  try {
    const { counts, letters } = await settings.db.transaction((scope) =>
      runSpan(scope, { ...spanRules(settings), tables, items, next, signal, trace }),
    )
    report.committed(batch, counts, letters)
    return null
  } catch (error) {
    return failureOf(error, trace, signal.aborted)
  }
}

/** The settings that a transaction goes by. */
export function spanRules<Trx>(settings: Settings<Trx>) {
  const { group, handlers, horizonMs, futureMs } = settings
  return { group, handlers, horizonMs, futureMs }
}

function nextOffsetOf(batch: IncomingBatch, items: readonly Item[], overwrite: boolean): NextOffset | null {
  const offset = items[items.length - 1]?.record.offset ?? null
  if (offset === null) return null
  const { topic, topicId, partition } = batch
  return { topic, topicId, partition, nextOffset: String(BigInt(offset) + 1n), overwrite }
}

function pause<Trx>(parts: BatchParts<Trx>, batch: IncomingBatch, done: number, failure: Failure): BatchProgress {
  if (failure.kind === 'abandoned') return { done }
  parts.pauses++
  const retryAfterMs = backoffMs(parts.pauses, databasePause, parts.settings.random())
  parts.report.paused(batch, retryAfterMs, failure.error, failure.kind !== 'unavailable')
  return { done, retryAfterMs }
}

/** The error to keep for a message that failed, and the reason under which it goes to the dead letters. */
function causeOf(failure: Failure, item: Item): { readonly error: unknown; readonly reason: ErrorCode } {
  const error = failure.kind === 'abandoned' ? undefined : failure.error
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
