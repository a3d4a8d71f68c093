import type { TransactionScope } from '@oncebox/core'
import type { Tables } from '@oncebox/schema'
import { forgetAttempts, readAttempts } from './attempts.js'
import { type DeadLetter, storeDeadLetters } from './deadLetters.js'
import type { Item } from './decode.js'
import { insertIds } from './dedupe.js'
import type { SpanCounts } from './events.js'
import type { SpanTrace } from './failure.js'
import { readGate, refusalError, refusalOf } from './floor.js'
import type { AnyHandler } from './handlers.js'
import { finish, type NextOffset } from './offsets.js'
import { type Runnable, runHandlers } from './runHandlers.js'

export interface SpanWork<Trx> {
  readonly tables: Tables
  readonly group: string
  readonly handlers: ReadonlyMap<string, AnyHandler<Trx>>
  readonly horizonMs: number
  readonly futureMs: number
  readonly items: readonly Item[]
  /** Null on transports without offsets. */
  readonly next: NextOffset | null
  readonly signal: AbortSignal
  readonly trace: SpanTrace
}

/** What became of the items; it holds once the transaction has committed. */
export interface SpanResult {
  readonly counts: SpanCounts
  readonly letters: readonly DeadLetter[]
}

/**
 * The statements and handlers of one transaction, in the order that makes effects happen once: ids, floor, handlers,
 * dead letters, next offset with the check for an aborted transaction. The caller commits.
 */
export async function runSpan<Trx>(scope: TransactionScope<Trx>, work: SpanWork<Trx>): Promise<SpanResult> {
  const { tx } = scope
  const { tables, group, signal, trace } = work
  const firsts = firstOccurrences(work.items)
  const ids = [...firsts.values()].map((item) => item.id).filter((id) => id.kind !== 'none')
  const fresh = await insertIds(tx, tables, group, ids)
  const gate = await readGate(tx, tables, group)
  const attempts = gate.failing ? await readAttempts(tx, tables, group, ids) : new Map<string, number>()

  const runnables: Runnable[] = []
  const letters: DeadLetter[] = []
  for (const item of firsts.values()) {
    if (item.id.kind !== 'none' && !fresh.has(item.id.identity)) continue
    if (item.verdict.kind === 'dead') {
      letters.push({ item, reason: item.verdict.reason, error: item.verdict.error })
    } else if (item.verdict.kind === 'run') {
      const refusal = refusalOf(item.id, gate, work)
      if (refusal !== null) letters.push({ item, reason: refusal, error: refusalError(refusal) })
      else {
        const attempt = (attempts.get(item.id.identity) ?? 0) + 1
        runnables.push({ item, message: item.verdict.message, attempt })
      }
    }
  }
  await runHandlers(scope, runnables, work)

  trace.stage = 'finish'
  if (letters.length > 0) await storeDeadLetters(tx, tables, group, letters)
  if (attempts.size > 0) {
    await forgetAttempts(
      tx,
      tables,
      group,
      ids.filter((id) => attempts.has(id.identity)),
    )
  }
  await finish(tx, tables, group, gate.transaction, work.next)
  signal.throwIfAborted()
  trace.stage = 'commit'
  const ignored = work.items.filter((item) => item.verdict.kind === 'ignore').length
  const handled = runnables.length
  const deadLettered = letters.length
  const duplicates = work.items.length - ignored - handled - deadLettered
  return { counts: { handled, duplicates, deadLettered, ignored }, letters }
}

/** The items that are to be settled, in order, each message once. */
function firstOccurrences(items: readonly Item[]): ReadonlyMap<string, Item> {
  const firsts = new Map<string, Item>()
  for (const item of items) {
    if (item.verdict.kind === 'ignore' || firsts.has(item.id.identity)) continue
    firsts.set(item.id.identity, item)
  }
  return firsts
}
