import type { TransactionScope } from '@oncebox/core'
import type { Tables } from '@oncebox/schema'
import type { TopicPartition } from '@oncebox/transport'
import { forgetAttempts, readAttempts, takeBackAttempt } from './attempts.js'
import { type DeadLetter, storeDeadLetters } from './deadLetters.js'
import type { Item } from './decode.js'
import { insertIds } from './dedupe.js'
import type { SpanCounts } from './events.js'
import type { SpanTrace } from './failure.js'
import { readGate } from './floor.js'
import type { SpanOwner } from './handlerSpans.js'
import type { AnyHandler } from './handlers.js'
import { finish, type NextOffset } from './offsets.js'
import { type KeyPlace, lockParkedKeys, park } from './parking.js'
import type { Reached } from './reached.js'
import { type Runnable, runHandlers, type Skipped } from './runHandlers.js'
import { type SortRules, sortOut } from './sortOut.js'

export interface SpanWork<Trx> extends SortRules, SpanOwner {
  readonly tables: Tables
  readonly handlers: ReadonlyMap<string, AnyHandler<Trx>>
  readonly items: readonly Item[]
  /** Where the items come from; null on transports without offsets. */
  readonly partition: TopicPartition | null
  readonly reached: Reached | null
  /** Null on transports without offsets, and where another transaction stores it. */
  readonly next: NextOffset | null
  /** The transaction's session may sit idle for so long, in milliseconds; null for no limit. */
  readonly idleMs: number | null
  /** True when the attempt that begins is among the counted ones already. */
  readonly started: boolean
  /** Dead letters go to the dead-letter topic too. */
  readonly copied: boolean
  readonly signal: AbortSignal
  readonly trace: SpanTrace
}

/** What became of the items; it holds once the transaction has committed. */
export interface SpanResult {
  readonly counts: SpanCounts
  readonly letters: readonly DeadLetter[]
  readonly skipped: readonly Skipped[]
  readonly parked: readonly Item[]
  /** The first message whose handler ran; null when none did. */
  readonly first: Runnable | null
}

/**
 * The statements and handlers of one transaction, in the order that makes effects happen once: ids, floor, parked keys,
 * handlers, dead letters and parked messages, next offset with the check for an aborted transaction. The caller commits.
 */
export async function runSpan<Trx>(scope: TransactionScope<Trx>, work: SpanWork<Trx>): Promise<SpanResult> {
  const { tx } = scope
  const { tables, group, signal, trace } = work
  const firsts = firstOccurrences(work.items)
  const ids = [...firsts.values()].map((item) => item.id).filter((id) => id.kind !== 'none')
  const fresh = await insertIds(tx, tables, group, ids, work.idleMs)
  const gate = await readGate(tx, tables, group, work.partition)
  if (work.partition !== null) work.reached?.check(work.partition, gate.nextOffset)
  const attempts = gate.failing ? await readAttempts(tx, tables, group, ids) : new Map<string, number>()
  const news = [...firsts.values()].filter(({ id }) => id.kind === 'none' || fresh.has(id.identity))
  const waiting = gate.parking ? await lockParkedKeys(tx, tables, group, news) : new Set<KeyPlace>()

  // Handled before, or waiting: what was counted for it was no attempt.
  const [copy] = work.started && news.length === 0 ? work.items : []
  if (copy !== undefined) await takeBackAttempt(tx, tables, group, copy.id)

  const before = work.started ? 0 : 1
  const sorted = sortOut(news, waiting, gate, work, ({ id }) => (attempts.get(id.identity) ?? 0) + before)
  const { runnables, letters, parked } = sorted
  const skippedNow = await runHandlers(scope, runnables, work)

  trace.stage = 'finish'
  if (letters.length > 0) await storeDeadLetters(tx, tables, group, letters, work.copied)
  if (sorted.heads.length > 0 || parked.length > 0) await park(tx, tables, group, sorted.heads, parked)
  if (attempts.size > 0) {
    // A copy of a message that waits settles nothing.
    const unsettled = new Set(parked.map(({ id }) => id.identity))
    const settled = news.filter(({ id }) => attempts.has(id.identity) && !unsettled.has(id.identity))
    if (settled.length > 0)
      await forgetAttempts(
        tx,
        tables,
        group,
        settled.map(({ id }) => id),
      )
  }
  await finish(tx, tables, group, gate.transaction, work.next)
  signal.throwIfAborted()
  trace.stage = 'commit'
  const skipped = [...sorted.skipped, ...skippedNow]
  const ignored = work.items.filter((item) => item.verdict.kind === 'ignore').length
  const done = work.items.filter((item) => item.verdict.kind === 'done').length
  const handled = runnables.length - skippedNow.length
  const settled = handled + letters.length + skipped.length + parked.length
  const counts: SpanCounts = {
    handled,
    duplicates: work.items.length - ignored - done - settled,
    deadLettered: letters.length,
    skipped: skipped.length,
    parked: parked.length,
    ignored,
  }
  return { counts, letters, skipped, parked, first: runnables[0] ?? null }
}

/** The items that are to be settled, in order, each message once. */
function firstOccurrences(items: readonly Item[]): ReadonlyMap<string, Item> {
  const firsts = new Map<string, Item>()
  for (const item of items) {
    const { kind } = item.verdict
    if (kind === 'ignore' || kind === 'done' || firsts.has(item.id.identity)) continue
    firsts.set(item.id.identity, item)
  }
  return firsts
}
