import type { BatchProgress, IncomingBatch } from '@oncebox/transport'
import { backoffMs } from './backoff.js'
import { heldAt, isolated, nextSpan, type Span } from './batchPlan.js'
import { afterCommit, afterConflict, type BatchSize } from './batchSize.js'
import { type Careful, carefulMessages, isCareful } from './caution.js'
import { afterFailure, afterFate, afterSpanCommitted, type BatchState } from './decide.js'
import { decodeItem, type Item } from './decode.js'
import { type Failure, failureOf, newTrace } from './failure.js'
import { countFailure, obey, type Settled } from './fate.js'
import { lanesOf } from './lanes.js'
import { planWithSuspects, type Suspects } from './suspects.js'
import { tryLanes } from './tryLanes.js'
import { nextOffsetOf, type SpanParts, tryCarefully, trySpan } from './trySpan.js'

/** What batches of one consumer share. */
export interface BatchParts<Trx> extends SpanParts<Trx> {
  readonly suspects: Suspects
  /** True once the consumer stops: the running transaction is finished, no other begun. */
  readonly stopping: () => boolean
  /** Leaves the group and joins it again: partitions are then read from where the database says. */
  readonly goBack: () => void
  /** Kept from batch to batch. */
  size: BatchSize
  /** By the same rule: how many transactions run side by side. */
  lanes: BatchSize
  /** Pauses in a row because of the database. */
  pauses: number
}

/** How a batch is handled after a consumer that ended in its partition. */
export interface Care extends Careful {
  /** Notes the identities of what is about to be handled, committed when it resolves. */
  note(inHand: readonly string[]): Promise<void>
}

const blockedRetryMs = 5000
const conflictPauseMs = 30
/** Until the subscription has begun again. */
const wentBackMs = 1_000
const databasePause = { minMs: 200, maxMs: 10_000 }

/**
 * Settles the records of a batch in as few transactions as it takes, in order, and answers how far it got.
 * `overwrite`: the stored offset of this partition is of another life of its topic. `care`: a consumer ended here.
 */
export async function processBatch<Trx>(
  parts: BatchParts<Trx>,
  batch: IncomingBatch,
  overwrite: boolean,
  care: Care | null,
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
  for (const { id, index } of items) if (care?.accused.has(id.identity)) plan = isolated(plan, index)
  let state: BatchState = { plan, size: parts.size, conflictsAlone: 0, repeating: null }

  for (;;) {
    if (batch.signal.aborted || parts.stopping()) return { done: state.plan.done }
    const withCare = care !== null && isCareful(care, state.plan.done, batch.records[0]?.offset !== null, clock.now())
    const span = nextSpan(state.plan, withCare ? Math.min(carefulMessages, parts.size.messages) : parts.size.messages)
    if (span === null) break
    const failure = withCare
      ? await settleCarefully(parts, batch, items, span, overwrite, care)
      : await settleSpan(parts, batch, items, span, overwrite)
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
    const { remedy } = next
    switch (remedy.kind) {
      case 'again':
        break
      case 'againLater':
        await clock.sleep(Math.round(conflictPauseMs * random()), batch.signal)
        break
      case 'stop':
        return { done: state.plan.done }
      case 'goBack':
        report.wentBack(batch)
        parts.goBack()
        return { done: 0, retryAfterMs: wentBackMs }
      case 'pause':
        return pause(parts, batch, state.plan.done, failure)
      case 'count':
      case 'obey': {
        const item = items[remedy.index] as Item
        let settled: Settled
        try {
          settled =
            remedy.kind === 'count' ? await countFailure(parts, item, failure) : await obey(parts, item, remedy.outcome)
        } catch (unanswered) {
          return pause(parts, batch, state.plan.done, failureOf(unanswered, newTrace(), batch.signal.aborted))
        }
        state = afterFate(state, item.index, settled.fate)
        items[item.index] = { ...item, verdict: settled.verdict }
        if (settled.fate === 'hold') {
          retryAfterMs = settled.retryAfterMs
          suspects.set(item.id.identity, clock.now() + retryAfterMs)
        }
      }
    }
  }
  const { done } = state.plan
  return done < items.length && retryAfterMs !== undefined ? { done, retryAfterMs } : { done }
}

/** The span after a death: noted first, or, where it is one of those who are accused, as an attempt that is counted first. */
async function settleCarefully<Trx>(
  parts: BatchParts<Trx>,
  batch: IncomingBatch,
  items: Item[],
  span: Span,
  overwrite: boolean,
  care: Care,
): Promise<Failure | null> {
  const identities = items.slice(span.from, span.to).map(({ id }) => id.identity)
  if (identities.some((identity) => care.accused.has(identity))) {
    return tryCarefully(parts, batch, items, span.from, overwrite)
  }
  try {
    await care.note(identities)
  } catch (error) {
    return failureOf(error, newTrace(), batch.signal.aborted)
  }
  return settleSpan(parts, batch, items, span, overwrite)
}

/**
 * One transaction over the span, or, where its keys may run side by side, one for each lane and then one that finds
 * nothing left to do and stores the offset. A crash in between leaves ids in the inbox that come again, as duplicates.
 */
async function settleSpan<Trx>(
  parts: BatchParts<Trx>,
  batch: IncomingBatch,
  items: Item[],
  span: Span,
  overwrite: boolean,
): Promise<Failure | null> {
  const { concurrency } = parts.settings
  const lanes = concurrency > 1 ? lanesOf(items.slice(span.from, span.to), parts.lanes.messages) : []
  if (lanes.length > 1) {
    const failure = await tryLanes(parts, batch, items, lanes)
    if (failure === null) parts.lanes = afterCommit(parts.lanes, concurrency)
    else if (failure.kind === 'conflict') parts.lanes = afterConflict(parts.lanes, lanes.length)
    if (failure !== null) return failure
  }
  const settled = items.slice(span.from, span.to)
  return trySpan(parts, batch, settled, nextOffsetOf(batch, settled, overwrite))
}

function pause<Trx>(parts: BatchParts<Trx>, batch: IncomingBatch, done: number, failure: Failure): BatchProgress {
  if (!('error' in failure)) return { done }
  parts.pauses++
  const retryAfterMs = backoffMs(parts.pauses, databasePause, parts.settings.random())
  parts.report.paused(batch, retryAfterMs, failure.error, failure.kind !== 'unavailable')
  return { done, retryAfterMs }
}
