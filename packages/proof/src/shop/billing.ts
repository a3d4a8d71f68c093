import { appendFileSync } from 'node:fs'
import type { Logger } from '@oncebox/core'
import { pgDatabase } from '@oncebox/core/pg'
import { type Consumer, type ConsumerOptions, createConsumer } from '@oncebox/inbox'
import type { BatchHandler, IncomingBatch, Subscriber } from '@oncebox/transport'
import type { ClientBase, Pool } from 'pg'
import { bookOrder } from './bookOrders.js'
import { orderMessages } from './orderContract.js'

export interface BillingParts {
  readonly pool: Pool
  readonly subscriber: Subscriber
  readonly topic: string
  readonly group: string
  /** Every order is logged here when it is received, before its transaction begins. */
  readonly deliveryLog: string
  /** Called on the way, for whoever wants to end there. */
  readonly onReceived?: () => void
  readonly onRevoked?: () => void
  readonly logger?: Logger
  readonly settings?: Pick<ConsumerOptions<Messages, ClientBase>, 'horizonMs' | 'batchMessages' | 'concurrency'>
}

type Messages = ReturnType<typeof orderMessages>

/** The billing service: books every order once. */
export function createBilling(parts: BillingParts): Consumer<Messages, ClientBase> {
  const { pool, subscriber, topic, group, settings, logger } = parts
  return createConsumer({
    ...settings,
    db: pgDatabase(pool),
    subscriber: { ...subscriber, subscribe: (how, handler) => subscriber.subscribe(how, logging(handler, parts)) },
    group,
    messages: orderMessages(topic),
    handlers: { 'order.placed': (message, { tx }) => bookOrder(message, tx) },
    backoff: { minMs: 20, maxMs: 200 },
    redrivePollMs: 100,
    allowLongerRetention: true,
    ...(logger === undefined ? {} : { logger }),
  })
}

function logging(handler: BatchHandler, { deliveryLog, onReceived, onRevoked }: BillingParts): BatchHandler {
  return {
    assigned: (partitions) => handler.assigned(partitions),
    batch(batch) {
      appendFileSync(
        deliveryLog,
        orderIds(batch)
          .map((id) => `${id}\n`)
          .join(''),
      )
      onReceived?.()
      return handler.batch(batch)
    },
    revoked(partitions) {
      onRevoked?.()
      return handler.revoked(partitions)
    },
  }
}

export function orderIds(batch: Pick<IncomingBatch, 'records'>): string[] {
  return batch.records.map(({ value }) => (JSON.parse(Buffer.from(value ?? []).toString()) as { id: string }).id)
}
