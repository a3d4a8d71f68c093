import { defineMessages } from '@oncebox/core'
import { fromPg, pgDatabase } from '@oncebox/core/pg'
import { batch, type ConsumerOptions, createConsumer, skip } from '@oncebox/inbox'
import { createOutbox } from '@oncebox/outbox'
import { createRelay } from '@oncebox/relay'
import { until } from '@oncebox/testkit'
import { memoryTransport } from '@oncebox/transport/memory'
import {
  context,
  createTraceState,
  ROOT_CONTEXT,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import type pg from 'pg'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { migratedDatabase } from './outbox.js'
import { inSpan, recordSpans } from './recordedSpans.js'

const text = z.object({ text: z.string() })
const messages = defineMessages({
  ordered: { topic: 'orders', schema: text, key: (data) => data.text },
  billed: { topic: 'bills', schema: text },
})
type Options = ConsumerOptions<typeof messages, pg.ClientBase>

const traceOf = (span: ReadableSpan) => span.spanContext().traceId
const idOf = (span: ReadableSpan) => span.spanContext().spanId
const linksOf = (span: ReadableSpan) => span.links.map(({ context }) => `${context.traceId} ${context.spanId}`)
const nameOf = (span: ReadableSpan) => `${traceOf(span)} ${idOf(span)}`
const only = (spans: readonly ReadableSpan[]): ReadableSpan => {
  expect(spans.map(({ name }) => name)).toHaveLength(1)
  return spans[0] as ReadableSpan
}

/** A producer, a relay and consumers on a database of their own. */
async function service() {
  const database = await migratedDatabase()
  const { pool } = database
  const consumers: { stop(): Promise<void> }[] = []
  const transport = memoryTransport({ partitions: 1 })
  const outbox = createOutbox({ source: 'shop', messages })
  /** Traces that were active when relay and consumers turned to Kafka and Postgres. */
  const active = new Set<string | undefined>()
  const noting = <A extends unknown[], R>(work: (...args: A) => R) => {
    return (...args: A): R => {
      active.add(trace.getActiveSpan()?.spanContext().traceId)
      return work(...args)
    }
  }
  const publisher = transport.publisher()
  publisher.publish = noting(publisher.publish.bind(publisher))
  const relay = createRelay({ pool, publisher, createTopics: 1 })
  const db = pgDatabase(pool)
  return {
    pool,
    active,
    transport,
    outbox,
    relay,
    async emit(...texts: string[]) {
      const client = await pool.connect()
      try {
        await client.query('begin')
        for (const each of texts) await outbox.emit(fromPg(client), 'ordered', { text: each })
        await client.query('commit')
      } finally {
        client.release()
      }
    },
    async consume(handlers: Options['handlers'], own: Partial<Options> = {}) {
      const consumer = createConsumer({
        db: { ...db, transaction: noting(db.transaction.bind(db)) as typeof db.transaction },
        subscriber: transport.subscriber(),
        group: 'billing',
        messages,
        handlers,
        backoff: { minMs: 1, maxMs: 2 },
        ...own,
      })
      consumers.push(consumer)
      await consumer.start()
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([relay, ...consumers].map((each) => each.stop()))
      await database.drop()
    },
  }
}

test("one trace goes from the producer's transaction over the relay to the handler, and on with what that emits", async () => {
  using spans = recordSpans()
  await using at = await service()
  const { outbox, relay, emit, consume, active } = at
  await inSpan('the start of the process', async () => {
    await relay.start()
    await consume({
      ordered: ({ data }, { tx }) => outbox.emit(tx, 'billed', data),
      billed: () => {},
    })
  })
  await inSpan('request', () => emit('one'))
  await until(() => ['process orders', 'process bills'].every((name) => spans.named(name).length === 1), {
    what: 'both handlers to have run, and their transactions to be over',
  })

  const request = only(spans.named('request'))
  const [publish, handle] = [only(spans.named('publish orders')), only(spans.named('handle orders'))]
  expect(publish).toMatchObject({
    kind: SpanKind.PRODUCER,
    parentSpanContext: { spanId: idOf(request) },
    attributes: {
      'messaging.system': 'memory',
      'messaging.operation.name': 'publish',
      'messaging.operation.type': 'send',
      'messaging.destination.name': 'orders',
      'messaging.batch.message_count': 1,
    },
  })
  expect(linksOf(publish)).toEqual([nameOf(request)])
  expect(handle).toMatchObject({
    kind: SpanKind.CONSUMER,
    parentSpanContext: { spanId: idOf(request) },
    attributes: {
      'messaging.operation.type': 'process',
      'messaging.consumer.group.name': 'billing',
      'messaging.destination.name': 'orders',
      'messaging.destination.partition.id': '0',
      'cloudevents.event_type': 'ordered',
      'oncebox.attempt': 1,
    },
  })
  const process = only(spans.named('process orders'))
  expect(linksOf(process)).toEqual([nameOf(request)])
  expect(linksOf(handle)).toEqual([nameOf(process)])
  // What the handler emitted is its child, and so are that message's publish and handler.
  const after = [only(spans.named('publish bills')), only(spans.named('handle bills'))]
  expect(after.map(({ parentSpanContext }) => parentSpanContext?.spanId)).toEqual([idOf(handle), idOf(handle)])
  expect(new Set([publish, handle, ...after].map(traceOf))).toEqual(new Set([traceOf(request)]))
  // None of it belongs to the span in which relay and consumer were started.
  const start = traceOf(only(spans.named('the start of the process')))
  expect(spans.all().filter((span) => traceOf(span) === start)).toHaveLength(1)
  expect(active).not.toContain(start)
  expect(active.size).toBeGreaterThan(1)
})

test('a batch is linked to its sampled messages, as many as a span keeps, and to no others', async () => {
  using spans = recordSpans()
  await using at = await service()
  const { outbox, relay, emit, consume, transport, pool } = at
  await emit('without a trace')
  await inSpan('unsampled', () => emit('a', 'b'))
  await inSpan('one', () => emit('c'))
  await inSpan('unsampled', () => emit('d'))
  await inSpan('two', () => emit('e', 'f'))
  await relay.drain()
  const roots = [only(spans.named('one')), only(spans.named('two'))].map(nameOf)
  const linked = [roots[0], roots[1], roots[1]]
  expect(linksOf(only(spans.named('publish orders')))).toEqual(linked)

  await consume({
    ordered: batch(async (all, { tx }) => {
      await outbox.emitMany(tx, [{ type: 'billed', data: { text: `${all.length}` } }])
    }),
  })
  await until(() => transport.committed('billing', 'orders', 0) === 7, { what: 'the batch to be done' })
  const process = only(spans.named('process orders'))
  expect(process.attributes['messaging.batch.message_count']).toBe(7)
  expect(linksOf(process)).toEqual(linked)
  const { rows } = await pool.query(`select headers from oncebox.outbox where topic = 'bills'`)
  expect(rows).toEqual([{ headers: { traceparent: `00-${nameOf(process).replace(' ', '-')}-01` } }])

  const client = await pool.connect()
  await inSpan('many', () =>
    outbox.emitMany(
      fromPg(client),
      Array.from({ length: 200 }, (_, n) => ({ type: 'ordered' as const, data: { text: `${n}` } })),
    ),
  )
  client.release()
  const again = createRelay({ pool: pool, publisher: transport.publisher(), createTopics: 1 })
  await again.drain()
  const many = spans.all().filter(({ attributes }) => attributes['messaging.batch.message_count'] === 201)
  expect(only(many).name).toBe('publish')
  expect([only(many).links.length, only(many).droppedLinksCount]).toEqual([128, 0])
  expect(only(many).attributes).not.toHaveProperty('messaging.destination.name')
})

test('what tracing vendors noted along a trace goes with it, to every span and link', async () => {
  using spans = recordSpans()
  await using at = await service()
  const { emit, relay, consume, transport } = at
  const noted = 'vendor=1,other=a:b'
  const remote = {
    traceId: '0af7651916cd43dd8448eb211c80319c',
    spanId: 'b7ad6b7169203331',
    traceFlags: 1,
    isRemote: true,
    traceState: createTraceState(noted),
  }
  await context.with(trace.setSpanContext(ROOT_CONTEXT, remote), () => emit('one'))
  await inSpan('no vendor', () => emit('two'))
  await relay.drain()
  await consume({ ordered: () => {} })
  await until(() => transport.committed('billing', 'orders', 0) === 2, { what: 'both to be handled' })
  const stateOf = ({ traceState }: SpanContext) => traceState?.serialize()
  for (const name of ['publish orders', 'process orders'])
    expect(only(spans.named(name)).links.map((link) => stateOf(link.context))).toEqual([noted, undefined])
  const continuing = [...spans.named('publish orders'), ...spans.named('handle orders')]
  expect(continuing.map((span) => stateOf(span.spanContext()))).toEqual([noted, noted, undefined])
})

test('what goes wrong is told by its code; no payload, key, header or text of an error is in a span', async () => {
  using spans = recordSpans()
  await using at = await service()
  const { outbox, relay, emit, consume, transport, pool } = at
  await pool.query('create table effect (text text unique)')
  let refused = false
  transport.refuse(() => (refused ? null : 'RECORD_TOO_LARGE'))
  await inSpan('request', async () => emit('canary-throws', 'canary-sql', 'canary-skips'))
  await relay.start()
  await until(() => spans.named('publish orders').length > 0, { what: 'the refusal' })
  const publish = spans.named('publish orders')[0] as ReadableSpan
  expect([publish.status.code, publish.attributes['error.type']]).toEqual([SpanStatusCode.ERROR, 'RECORD_TOO_LARGE'])
  expect(publish.attributes['oncebox.unacked_count']).toBe(3)
  refused = true
  await consume(
    {
      ordered: async ({ data, key }, { trx, tx }) => {
        await outbox.emit(tx, { topic: 'logs', key, type: 'x', data, headers: { secret: `${key}` } })
        if (key === 'canary-skips') return skip('canary')
        if (key === 'canary-throws') throw new RangeError(`canary ${data.text}`)
        await trx.query(`insert into effect values ('canary'), ('canary')`)
        return undefined
      },
    },
    { attempts: 1 },
  )
  await until(async () => (await pool.query('select from oncebox.dead_letter')).rowCount === 2, {
    what: 'two dead letters',
    deadlineMs: 20_000,
  })
  await until(() => spans.named('handle orders').some(({ attributes }) => attributes['oncebox.outcome'] === 'skip'), {
    what: 'the skipped one',
  })
  const failed = spans.named('handle orders').filter(({ status }) => status.code === SpanStatusCode.ERROR)
  expect(new Set(failed.map(({ attributes }) => attributes['error.type']))).toEqual(new Set(['RangeError', '23505']))
  const processes = spans.named('process orders').filter(({ status }) => status.code === SpanStatusCode.ERROR)
  expect(processes[0]?.attributes).toMatchObject({ 'oncebox.failure': 'suspects' })
  const told = spans
    .all()
    .map(({ name, attributes, status, events, links }) => ({ name, attributes, status, events, links }))
  expect(JSON.stringify(told)).not.toContain('canary')
})
