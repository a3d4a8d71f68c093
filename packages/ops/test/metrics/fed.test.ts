import { defineMessages } from '@oncebox/core'
import { fromPg, pgDatabase } from '@oncebox/core/pg'
import { createConsumer } from '@oncebox/inbox'
import { prometheusMetrics } from '@oncebox/ops/prometheus'
import { createOutbox } from '@oncebox/outbox'
import { createRelay } from '@oncebox/relay'
import { until } from '@oncebox/testkit'
import { memoryTransport } from '@oncebox/transport/memory'
import { expect, test } from 'vitest'
import { migratedDatabase } from '../prepared.js'
import { exposition } from './exposition.js'

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const anyData = { '~standard': { version: 1, vendor: 'test', validate: (value: unknown) => ({ value }) } } as const
const messages = defineMessages({ 'order.created': { topic: 'orders', schema: anyData } })

test('a message on its way through relay and consumer is counted and timed, with its trace as the example', async () => {
  await using database = await migratedDatabase(18)
  const { pool } = database
  const transport = memoryTransport()
  const metrics = prometheusMetrics()
  const relay = createRelay({ pool, publisher: transport.publisher(), onEvent: metrics.relay, createTopics: 1 })
  const consumer = createConsumer({
    db: pgDatabase(pool),
    subscriber: transport.subscriber(),
    group: 'billing',
    messages,
    handlers: { 'order.created': async () => {} },
    onEvent: metrics.consumer('billing'),
  })
  const outbox = createOutbox({ source: 'shop' })
  const headers = { traceparent: `00-${traceId}-00f067aa0ba902b7-01` }
  const message = { topic: 'orders', key: 'canary-key', type: 'order.created', data: { canary: 'payload' }, headers }
  const client = await pool.connect()
  try {
    await outbox.emit(fromPg(client), message)
  } finally {
    client.release()
  }
  await relay.drain()
  await consumer.start()
  await until(() => consumer.counters().handled === 1, { what: 'the effect' })
  await consumer.stop()

  const text = await metrics.text()
  const samples = exposition(text)
  const value = (series: string) => samples.find((sample) => sample.series === series)?.value
  const place = 'group="billing",topic="orders"'
  expect(value('oncebox_relay_published_messages_total{lane="0"}')).toBe(1)
  expect(value('oncebox_relay_publish_delay_seconds_count{lane="0"}')).toBe(1)
  // Written before it was published, and not by the time zone or the epoch off.
  expect(value('oncebox_relay_publish_delay_seconds_sum{lane="0"}')).toBeLessThan(600)
  expect(value(`oncebox_consumer_messages_total{${place},outcome="handled"}`)).toBe(1)
  expect(value(`oncebox_consumer_effect_delay_seconds_count{${place}}`)).toBe(1)
  expect(value(`oncebox_consumer_effect_delay_seconds_sum{${place}}`)).toBeLessThan(600)
  const examples = samples.filter(({ exemplar }) => exemplar?.includes(`trace_id="${traceId}"`))
  expect(new Set(examples.map(({ series }) => /^\w+/.exec(series)?.[0]))).toEqual(
    new Set([
      'oncebox_relay_publish_delay_seconds_bucket',
      'oncebox_consumer_effect_delay_seconds_bucket',
      'oncebox_consumer_transaction_seconds_bucket',
    ]),
  )
  expect(text).not.toContain('canary')
})
