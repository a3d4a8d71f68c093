import type { Message, TransactionScope } from '@oncebox/core'
import type { Item } from './decode.js'
import type { SpanTrace } from './failure.js'
import { handleInSpan, type SpanOwner } from './handlerSpans.js'
import { type AnyHandler, anyType, type BatchOf } from './handlers.js'
import { outcomeOf } from './outcome.js'

/** A message that is new and may run. */
export interface Runnable {
  readonly item: Item
  readonly message: Message
  /** 1-based. */
  readonly attempt: number
}

/** A message that its handler decided to skip. */
export interface Skipped {
  readonly item: Item
  readonly reason: string
}

export interface HandlerCalls<Trx> extends SpanOwner {
  readonly handlers: ReadonlyMap<string, AnyHandler<Trx>>
  readonly signal: AbortSignal
  readonly trace: SpanTrace
}

/**
 * Calls the handlers in the records' order on one transaction: one call a message, or one for neighbours of a type with
 * a batch handler. Stops as soon as the signal aborts; a handler that runs is waited for, because its statements
 * could otherwise run outside the transaction. Answers what was skipped; any other outcome is thrown.
 */
export async function runHandlers<Trx>(
  scope: TransactionScope<Trx>,
  runnables: readonly Runnable[],
  calls: HandlerCalls<Trx>,
): Promise<readonly Skipped[]> {
  const { handlers, signal, trace } = calls
  const { trx, tx } = scope
  const skipped: Skipped[] = []
  let next = 0
  const obey = (answer: unknown, run: readonly Runnable[]) => {
    const outcome = outcomeOf(answer)
    if (outcome === null) return
    if (outcome.kind !== 'skip') throw outcome
    for (const { item } of run) skipped.push({ item, reason: outcome.message })
  }
  while (next < runnables.length) {
    signal.throwIfAborted()
    const first = runnables[next] as Runnable
    const handler = (handlers.get(first.message.type) ?? handlers.get(anyType)) as AnyHandler<Trx>
    if (typeof handler === 'function') {
      trace.stage = 'message'
      trace.current = [first.item.index]
      trace.ran.push(first.item.index)
      next++
      const { message, attempt } = first
      const handle = () => handler(message, { trx, tx, signal, attempt })
      obey(await handleInSpan(message, attempt, calls, handle), [first])
    } else {
      const run = neighboursOfType(runnables, next)
      trace.stage = 'batch'
      trace.current = run.map(({ item }) => item.index)
      trace.ran.push(...trace.current)
      next += run.length
      const answer = await (handler as BatchOf<unknown, Trx>).handle(
        run.map(({ message }) => message),
        { trx, tx, signal },
      )
      obey(answer, run)
    }
  }
  return skipped
}

function neighboursOfType(runnables: readonly Runnable[], from: number): readonly Runnable[] {
  const type = runnables[from]?.message.type
  let to = from + 1
  while (to < runnables.length && runnables[to]?.message.type === type) to++
  return runnables.slice(from, to)
}
