import { AsyncLocalStorage } from 'node:async_hooks'
import {
  type Database,
  encodeHeaders,
  encodePayload,
  type MessageContracts,
  systemClock,
  type WireRecord,
} from '@oncebox/core'
import { type Consumer, type ConsumerEvent, createConsumer, type Handlers } from '@oncebox/inbox'
import type { BatchHandler, Subscriber } from '@oncebox/transport'

/** A message without end: one that was handed over so often and is not done will not be. */
const mostDeliveries = 25
const longestPauseMs = 5

/** Says that a statement is of a delivery, and not of the consumer's housekeeping. */
const delivering = new AsyncLocalStorage<true>()

/** Deliveries go through `watched`, whatever else the consumer does through `quiet`. */
export function watchedDatabase<Trx>(watched: Database<Trx>, quiet: Database<Trx>): Database<Trx> {
  return {
    txOf: (trx) => watched.txOf(trx),
    transaction: (work) => (delivering.getStore() === true ? watched : quiet).transaction(work),
  }
}

export interface Receiver {
  /** Hands the record over until it is done, at once after each time that it was not. */
  deliver(record: WireRecord): Promise<void>
  stop(): Promise<void>
}

export interface ReceiverParts<C extends MessageContracts, Trx> {
  readonly db: Database<Trx>
  readonly group: string
  readonly schema: string
  readonly messages: C
  readonly handlers: Handlers<C, Trx>
  readonly onEvent: (event: ConsumerEvent) => void
  /** Called before the record is handed over, each time. */
  readonly before: () => Promise<unknown>
}

export class NeverDone extends Error {
  override readonly name = 'NeverDone'
}

/** The real consumer, with a transport that hands over what it is told to. */
export async function startReceiver<const C extends MessageContracts, Trx>(
  parts: ReceiverParts<C, Trx>,
): Promise<Receiver> {
  let handler: BatchHandler | undefined
  const subscriber: Subscriber = {
    name: 'chaos',
    async subscribe(_options, given) {
      handler = given
      return { stop: async () => undefined }
    },
    retentionMs: async () => null,
    close: async () => undefined,
  }
  const { db, group, schema, messages, handlers, onEvent, before } = parts
  const consumer: Consumer<C, Trx> = createConsumer<C, Trx>({
    ...{ db, subscriber, group, schema, messages, handlers, onEvent },
    backoff: { minMs: 1, maxMs: longestPauseMs },
    attempts: 3,
    redrivePollMs: 2 ** 30,
  })
  await consumer.start()
  const { signal } = new AbortController()
  return {
    async deliver(record) {
      for (let time = 0; time < mostDeliveries; time++) {
        await before()
        const batch = {
          topic: record.topic,
          topicId: '',
          partition: 0,
          records: [{ ...record, redelivered: time > 0 }],
          signal,
        }
        const progress = await delivering.run(true, async () => (handler as BatchHandler).batch(batch))
        if (progress.done === 1) return
        await systemClock.sleep(Math.min(progress.retryAfterMs ?? 0, longestPauseMs))
      }
      throw new NeverDone(`handed over ${mostDeliveries} times and not done`)
    },
    stop: () => consumer.stop({ deadlineMs: 1_000 }),
  }
}

export interface ChaosMessage {
  readonly type: string
  readonly data: unknown
  readonly key?: string | null
  readonly headers?: Readonly<Record<string, string>>
}

/** The record that the relay would have sent. */
export function recordOf(message: ChaosMessage, id: string, messages: MessageContracts, now: Date): WireRecord {
  const { type, data, headers = null } = message
  const contract = messages[type]
  if (contract === undefined) throw new Error(`chaos: there is no contract for ${JSON.stringify(type)} in messages`)
  const key = message.key === undefined ? (contract.key?.(data) ?? null) : message.key
  const payload = data === null ? null : encodePayload(data)
  const row = {
    position: '0',
    id,
    source: 'chaos',
    topic: contract.topic,
    key,
    type,
    headers,
    createdAt: now.toISOString(),
  }
  const encoded = encodeHeaders({ ...row, payload: payload?.bytes ?? null, contentType: payload?.contentType ?? null })
  return {
    topic: contract.topic,
    partition: 0,
    offset: null,
    timestamp: now.getTime(),
    key: key === null ? null : Buffer.from(key),
    value: payload?.bytes ?? null,
    headers: encoded.map(([name, value]) => [name, Buffer.from(value)]),
  }
}
