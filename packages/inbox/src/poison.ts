import type { ErrorCode } from '@oncebox/core'
import { anyType } from './handlers.js'

/**
 * What becomes of a message that keeps failing, and of those behind it.
 * - `park`: its key waits beside the stream from the first failure on; at last it is a dead letter, and the later
 *   messages of its key wait, in order, until it is retried or discarded. Other keys go on at once. A message without a
 *   key has nobody waiting behind it.
 * - `skip`: its partition waits while it is tried; at last it is a dead letter, and all others go on.
 * - `block`: its partition waits until it is handled, however long that takes.
 */
export type PoisonPolicy = 'park' | 'skip' | 'block'

/** By message type; the one at `'*'` is for all others. */
export type PoisonPolicies = ReadonlyMap<string, PoisonPolicy>

export function policyOf(policies: PoisonPolicies, type: string): PoisonPolicy {
  return policies.get(type) ?? policies.get(anyType) ?? 'park'
}

/** Reasons that say nothing of the message's turn: it was late, or nobody here handles it. Nobody waits behind those. */
const withoutFollowers: readonly ErrorCode[] = [
  'MESSAGE_PAST_HORIZON',
  'MESSAGE_FROM_FUTURE',
  'MESSAGE_ID_MISSING',
  'UNKNOWN_MESSAGE_TYPE',
]

/** True when later messages of the key have to wait behind a dead letter with this reason. Pure. */
export function parksKey(policy: PoisonPolicy, reason: ErrorCode): boolean {
  return policy === 'park' && !withoutFollowers.includes(reason)
}

/** True when a message that can never be handled must stop its partition. Pure. */
export function blocksPartition(policy: PoisonPolicy, reason: ErrorCode): boolean {
  return policy === 'block' && !withoutFollowers.includes(reason)
}
