import type { Message, MessageContracts, MessageData, Tx } from '@oncebox/core'

/** What a handler of one message gets beside it. */
export interface HandlerContext<Trx> extends BatchContext<Trx> {
  /** 1 the first time this message is tried, one more after every failure of its own. */
  readonly attempt: number
}

/** What a batch handler gets beside its messages. */
export interface BatchContext<Trx> {
  /** The consumer's transaction, in the library's own type. It commits after the last handler of the batch. */
  readonly trx: Trx
  /** The same transaction for functions of this project (`emit`, guards). */
  readonly tx: Tx
  /** Aborts when the partition is no longer ours or the stop deadline has passed: nothing will be committed. */
  readonly signal: AbortSignal
}

/**
 * Handles one message. What it writes on the transaction happens once. Throwing rolls it back and tries again later;
 * an SQL error that is caught inside must be caught around a savepoint.
 */
export type MessageHandler<Data, Trx> = (message: Message<Data>, context: HandlerContext<Trx>) => unknown

/** A handler made by `batch`. */
export interface BatchOf<Data, Trx> {
  readonly kind: 'batch'
  readonly handle: (messages: readonly Message<Data>[], context: BatchContext<Trx>) => unknown
}

// TypeScript types a function inside a call before it infers the type parameters of the call around it, so that inside
// createConsumer({ … }) nothing is known here yet.
// biome-ignore lint/suspicious/noExplicitAny: with unknown such handlers would not compile, however right they are
type Unchecked = any

/**
 * A handler that gets neighbouring new messages of its type at once, in order; never an empty array. When it throws,
 * the batch is bisected until the culprit is alone.
 *
 * Written inside `createConsumer({ … })` its messages and `trx` are unchecked; they are checked where their types are
 * told before: `createConsumer<typeof messages, Transaction<DB>>({ … })`, or `const handlers: Handlers<…> = { … }`.
 */
export function batch<Data = Unchecked, Trx = Unchecked>(
  handle: (messages: readonly Message<Data>[], context: BatchContext<Trx>) => unknown,
): BatchOf<Data, Trx> {
  return { kind: 'batch', handle }
}

/** The key of the handler for every type that has none of its own. */
export const anyType = '*'

/**
 * Handlers by message type. The one at `'*'` gets every type without one of its own, with or without a contract (then
 * with whatever data its bytes decode to). Without that, such a type is acked and counted, or as `unknownType` says.
 */
export type Handlers<C extends MessageContracts, Trx> = {
  readonly [T in keyof C]?: MessageHandler<MessageData<C, T>, Trx> | BatchOf<MessageData<C, T>, Trx>
} & { readonly [anyType]?: MessageHandler<unknown, Trx> | BatchOf<unknown, Trx> }

/** A handler whose message type is no longer known statically: the schema has checked the data. */
export type AnyHandler<Trx> = MessageHandler<unknown, Trx> | BatchOf<unknown, Trx>
