import {
  encodeHeaders,
  encodePayload,
  isOnceboxError,
  localIds,
  type MessageContracts,
  type MessageInput,
  type TransactionScope,
  type WireRecord,
} from '@oncebox/core'
import type { Tables } from '@oncebox/schema'
import { runSpan } from './batchTransaction.js'
import { decodeItem } from './decode.js'
import { newTrace } from './failure.js'
import { swallowedError } from './fate.js'
import { outcomeOf } from './outcome.js'
import type { Settings } from './settings.js'
import { spanRules } from './trySpan.js'

/** A message for `consumer.deliver`: a whole `Message` fits, and so does a type with data. */
export type Delivery<C extends MessageContracts> = {
  readonly [T in keyof C & string]: {
    readonly type: T
    readonly data: MessageInput<C, T>
    /** Default: a new UUIDv7. */
    readonly id?: string
    /** Default: the contract's topic. */
    readonly topic?: string
    readonly key?: string | null
    /** Default `test`. */
    readonly source?: string
    readonly time?: Date
    readonly headers?: Readonly<Record<string, string>>
  }
}[keyof C & string]

/**
 * What became of it. `reason` says why it is a dead letter or was skipped, or what it waits for. `parked`: an earlier
 * message of its key waits. An outcome that a handler throws, and `deadLetter` and `retryLater` in any case, roll a
 * running consumer's transaction back; here they are thrown as they are.
 */
export type DeliveryResult =
  | { readonly outcome: 'handled' | 'duplicate' | 'ignored' | 'parked' }
  | { readonly outcome: 'deadLettered' | 'blocked' | 'skipped'; readonly reason: string }

/** Runs one record through the inbox on a transaction of the caller, who commits it or rolls it back. */
export async function deliverOne<Trx>(
  settings: Settings<Trx>,
  tables: Tables,
  scope: TransactionScope<Trx>,
  record: WireRecord,
): Promise<DeliveryResult> {
  const item = decodeItem(record, 0, settings)
  if (item.verdict.kind === 'block') return { outcome: 'blocked', reason: item.verdict.reason }
  const trace = newTrace()
  const { signal } = new AbortController()
  try {
    const work = {
      ...spanRules(settings),
      tables,
      items: [item],
      partition: null,
      reached: null,
      idleMs: null,
      next: null,
      started: false,
      signal,
      trace,
    }
    const { counts, letters, skipped } = await runSpan(scope, work)
    if (letters[0] !== undefined) return { outcome: 'deadLettered', reason: letters[0].reason }
    if (skipped[0] !== undefined) return { outcome: 'skipped', reason: skipped[0].reason }
    if (counts.parked > 0) return { outcome: 'parked' }
    if (counts.handled > 0) return { outcome: 'handled' }
    return { outcome: counts.ignored > 0 ? 'ignored' : 'duplicate' }
  } catch (error) {
    const ours = isOnceboxError(error) || outcomeOf(error) !== null
    const swallowed = trace.stage === 'finish' && !ours && trace.ran.length > 0
    throw swallowed ? swallowedError(item.type, error) : error
  }
}

/** The record that the relay would have sent. */
export function recordOf<C extends MessageContracts>(
  delivery: Delivery<C>,
  contractTopic: string,
  nowMs: number,
): WireRecord {
  const { type, data, headers = null, key = null, topic = contractTopic } = delivery
  const payload = data === null ? null : encodePayload(data)
  const encoded = encodeHeaders({
    position: '0',
    id: delivery.id ?? localIds.next(),
    source: delivery.source ?? 'test',
    topic,
    key,
    type,
    headers,
    payload: payload?.bytes ?? null,
    contentType: payload?.contentType ?? null,
    createdAt: (delivery.time ?? new Date(nowMs)).toISOString(),
  })
  return {
    topic,
    partition: 0,
    offset: null,
    timestamp: nowMs,
    key: key === null ? null : Buffer.from(key),
    value: payload?.bytes ?? null,
    headers: encoded.map(([name, value]) => [name, Buffer.from(value)]),
  }
}
