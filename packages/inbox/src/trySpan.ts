import type { Tables } from '@oncebox/schema'
import type { IncomingBatch } from '@oncebox/transport'
import { consumerDied, startAttempt, takeBackAttempt } from './attempts.js'
import { runSpan } from './batchTransaction.js'
import type { Caution } from './caution.js'
import type { Item } from './decode.js'
import { type Failure, failureOf, newTrace } from './failure.js'
import { processInSpan } from './handlerSpans.js'
import type { NextOffset } from './offsets.js'
import { policyOf } from './poison.js'
import type { Reached } from './reached.js'
import type { Report } from './report.js'
import type { Settings } from './settings.js'

export interface SpanParts<Trx> {
  readonly settings: Settings<Trx>
  readonly tables: Tables
  readonly report: Report
  readonly caution: Caution
  readonly reached: Reached
}

/**
 * One transaction over `items`; null when it committed. `next`: the offset to store with it. `started`: the one message's
 * attempt is counted already.
 */
export async function trySpan<Trx>(
  parts: SpanParts<Trx>,
  batch: IncomingBatch,
  items: readonly Item[],
  next: NextOffset | null,
  started = false,
): Promise<Failure | null> {
  const { settings, tables, report, reached } = parts
  const { signal } = batch
  const trace = newTrace()
  const begunAt = settings.clock.now()
  const partition = batch.records[0]?.offset === null ? null : batch
  const rules = spanRules(settings)
  return processInSpan(items, rules, async () => {
    try {
      const result = await settings.db.transaction((scope) =>
        runSpan(scope, { ...rules, tables, items, partition, reached, next, started, signal, trace }),
      )
      if (next !== null) reached.committed(batch, next.nextOffset)
      report.committed(batch, result, settings.clock.now() - begunAt)
      return null
    } catch (error) {
      return failureOf(error, trace, signal.aborted, settings.duplicateConstraints)
    }
  })
}

/**
 * One transaction over one message whose predecessor process may have been ended by it: the attempt is counted, and
 * committed, before it begins. A message that has no attempt left is replaced in `items` by a dead letter.
 */
export async function tryCarefully<Trx>(
  parts: SpanParts<Trx>,
  batch: IncomingBatch,
  items: Item[],
  index: number,
  overwrite: boolean,
): Promise<Failure | null> {
  const { settings, tables, caution } = parts
  const { db, group } = settings
  const item = items[index] as Item
  const next = nextOffsetOf(batch, [item], overwrite)
  if (item.verdict.kind !== 'run') return trySpan(parts, batch, [item], next)
  return caution.turn(async () => {
    if (batch.signal.aborted) return { kind: 'abandoned' }
    const limit = policyOf(settings.poison, item.type) === 'block' ? null : settings.attempts
    try {
      if (!caution.started.has(item.id.identity)) {
        const attempts = await db.transaction(({ tx }) => startAttempt(tx, tables, group, item.id, limit))
        if (attempts === null) {
          const error = consumerDied()
          const dead: Item = { ...item, verdict: { kind: 'dead', reason: error.code, error } }
          items[index] = dead
          return await trySpan(parts, batch, [dead], next)
        }
        caution.started.add(item.id.identity)
      }
    } catch (error) {
      return failureOf(error, newTrace(), batch.signal.aborted)
    }
    const failure = await trySpan(parts, batch, [item], next, true)
    const faulty = failure?.kind === 'suspects' && failure.outcome === null && failure.repeated === null
    if (failure === null || !faulty) await conclude(parts, item, failure)
    return failure
  })
}

/** An attempt that was nobody's failure does not count. Where that cannot be written, it is not counted again. */
async function conclude<Trx>(parts: SpanParts<Trx>, item: Item, failure: Failure | null): Promise<void> {
  const { settings, tables, caution } = parts
  try {
    if (failure !== null) {
      await settings.db.transaction(({ tx }) => takeBackAttempt(tx, tables, settings.group, item.id))
    }
    caution.started.delete(item.id.identity)
  } catch (error) {
    settings.logger.debug({ error: error instanceof Error ? error.name : typeof error }, 'an attempt stays counted')
  }
}

/** The settings that a transaction goes by. */
export function spanRules<Trx>(settings: Settings<Trx>) {
  const { group, handlers, horizonMs, futureMs, poison } = settings
  return {
    group,
    transport: settings.subscriber.name,
    handlers,
    horizonMs,
    futureMs,
    poison,
    copied: settings.deadLetterTopic !== null,
    idleMs: settings.handlerIdleMs,
  }
}

/** The offset behind `items`; null on transports without offsets. */
export function nextOffsetOf(batch: IncomingBatch, items: readonly Item[], overwrite: boolean): NextOffset | null {
  const offset = items[items.length - 1]?.record.offset ?? null
  if (offset === null) return null
  const { topic, topicId, partition } = batch
  return { topic, topicId, partition, nextOffset: String(BigInt(offset) + 1n), overwrite }
}
