import {
  decodeEnvelope,
  decodePayload,
  type ErrorCode,
  isOnceboxError,
  type Message,
  type MessageContract,
  OnceboxError,
  validateData,
  type WireRecord,
} from '@oncebox/core'
import type { MessageReference } from './events.js'
import { anyType } from './handlers.js'
import { type MessageId, messageIdOf } from './messageId.js'
import { blocksPartition, type PoisonPolicies, policyOf } from './poison.js'
import type { UnknownTypePolicy } from './settings.js'

/** What is to be done with a record, as far as it can be told before the transaction. */
export type Verdict =
  | { readonly kind: 'run'; readonly message: Message }
  | { readonly kind: 'dead'; readonly reason: ErrorCode; readonly error: unknown }
  | { readonly kind: 'ignore' }
  | { readonly kind: 'block'; readonly reason: ErrorCode }
  /** Its handler said so, in a transaction that was rolled back. */
  | { readonly kind: 'skip'; readonly reason: string }
  /** It was settled in another transaction of this batch. */
  | { readonly kind: 'done' }
  /** It failed, and waits in the database with the later messages of its key; tried again in `dueInMs` milliseconds. */
  | { readonly kind: 'aside'; readonly dueInMs: number }

/** A record of a batch on its way through the inbox. */
export interface Item {
  /** Its place in the batch. */
  readonly index: number
  readonly record: WireRecord
  readonly id: MessageId
  readonly type: string
  readonly contentType: string | null
  readonly verdict: Verdict
}

export interface DecodeRules {
  readonly contracts: ReadonlyMap<string, MessageContract>
  readonly handlers: ReadonlyMap<string, unknown>
  readonly unknownType: UnknownTypePolicy
  readonly poison: PoisonPolicies
  /** True where something else than the id keeps the message from running twice. Default false. */
  readonly withoutId?: boolean
}

/** Reads a record: envelope, identity, data checked by its contract. Never throws; what cannot be read is `dead`. */
export function decodeItem(record: WireRecord, index: number, rules: DecodeRules): Item {
  const envelope = decodeEnvelope(record)
  const id = messageIdOf(record, envelope.id, envelope.source)
  const { type, contentType } = envelope
  const item = (told: Verdict): Item => {
    const blocks = told.kind === 'dead' && blocksPartition(policyOf(rules.poison, type), told.reason)
    const verdict: Verdict = blocks ? { kind: 'block', reason: told.reason } : told
    return { index, record, id, type, contentType, verdict }
  }
  if (type === '') return item(dead('MESSAGE_TYPE_MISSING', 'The record names no message type'))
  if (!rules.handlers.has(type) && !rules.handlers.has(anyType)) return item(unknown(rules.unknownType))
  if (id.kind === 'none' && rules.withoutId !== true)
    return item(dead('MESSAGE_ID_MISSING', 'The record names no usable message id'))
  try {
    const decoded = decodePayload(record.value, contentType)
    const contract = rules.contracts.get(type)
    const data = contract === undefined ? decoded : validateData(type, contract.schema, decoded)
    return item({ kind: 'run', message: { ...envelope, id: id.id, data } })
  } catch (error) {
    // An asynchronous schema is a fault of the program, so no message may go to the dead letters for it.
    if (isOnceboxError(error, 'INVALID_SETTING')) return item({ kind: 'block', reason: 'INVALID_SETTING' })
    return item({ kind: 'dead', reason: isOnceboxError(error) ? error.code : 'SCHEMA_MISMATCH', error })
  }
}

export function referenceOf(item: Item): MessageReference {
  const { topic, partition, offset } = item.record
  return { topic, partition, offset, messageId: item.id.id, messageType: item.type }
}

function unknown(policy: UnknownTypePolicy): Verdict {
  if (policy === 'ignore') return { kind: 'ignore' }
  if (policy === 'block') return { kind: 'block', reason: 'UNKNOWN_MESSAGE_TYPE' }
  return dead('UNKNOWN_MESSAGE_TYPE', 'The consumer has no handler for this type')
}

function dead(reason: ErrorCode, what: string): Verdict {
  return { kind: 'dead', reason, error: new OnceboxError(reason, what) }
}
