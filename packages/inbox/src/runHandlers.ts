import type { Message, TransactionScope } from '@oncebox/core'
import type { Item } from './decode.js'
import type { SpanTrace } from './failure.js'
import { type AnyHandler, anyType, type BatchOf } from './handlers.js'

/** A message that is new and may run. */
export interface Runnable {
  readonly item: Item
  readonly message: Message
  /** 1-based. */
  readonly attempt: number
}

export interface HandlerCalls<Trx> {
  readonly handlers: ReadonlyMap<string, AnyHandler<Trx>>
  readonly signal: AbortSignal
  readonly trace: SpanTrace
}

/**
 * Calls the handlers in the records' order on one transaction: one call a message, or one for neighbours of a type with
 * a batch handler. Stops as soon as the signal aborts; a handler that runs is waited for, because its statements
 * could otherwise run outside the transaction.
 */
export async function runHandlers<Trx>(
  scope: TransactionScope<Trx>,
  runnables: readonly Runnable[],
  calls: HandlerCalls<Trx>,
): Promise<void> {
  const { handlers, signal, trace } = calls
  const { trx, tx } = scope
  let next = 0
  while (next < runnables.length) {
    signal.throwIfAborted()
    const first = runnables[next] as Runnable
    const handler = (handlers.get(first.message.type) ?? handlers.get(anyType)) as AnyHandler<Trx>
    if (typeof handler === 'function') {
      trace.stage = 'message'
      trace.current = [first.item.index]
      trace.ran.push(first.item.index)
      next++
      await handler(first.message, { trx, tx, signal, attempt: first.attempt })
    } else {
      const run = neighboursOfType(runnables, next)
      trace.stage = 'batch'
      trace.current = run.map(({ item }) => item.index)
      trace.ran.push(...trace.current)
      next += run.length
      await (handler as BatchOf<unknown, Trx>).handle(
        run.map(({ message }) => message),
        { trx, tx, signal },
      )
    }
  }
}

function neighboursOfType(runnables: readonly Runnable[], from: number): readonly Runnable[] {
  const type = runnables[from]?.message.type
  let to = from + 1
  while (to < runnables.length && runnables[to]?.message.type === type) to++
  return runnables.slice(from, to)
}
