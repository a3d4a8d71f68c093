// The first calls of a process, sent in one go: BEGIN, the message, the end of the transaction, without waiting.
import { fromPg } from '@oncebox/core/pg'
import { createOutbox } from '@oncebox/outbox'
import { context, propagation, ROOT_CONTEXT, trace } from '@opentelemetry/api'
import pg from 'pg'

const [, , url, end, traced] = process.argv
if (traced === 'traced') {
  const span = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', traceFlags: 1 }
  const active = trace.setSpanContext(ROOT_CONTEXT, span)
  context.setGlobalContextManager({ active: () => active, disable: () => undefined })
  propagation.setGlobalPropagator({
    inject: (_, carrier, setter) => setter.set(carrier, 'traceparent', `00-${span.traceId}-${span.spanId}-01`),
    extract: (given) => given,
    fields: () => [],
  })
}
const client = new pg.Client({ connectionString: url, pipeline: true })
await client.connect()
const outbox = createOutbox({ source: 'shop' })
const tx = fromPg(client)
await Promise.all([
  client.query('begin'),
  outbox.emit(tx, { topic: 't', type: 'x', key: 'one', data: 1 }),
  outbox.emitMany(tx, [{ topic: 't', type: 'x', key: 'many', data: 1 }]),
  client.query(end),
])
await client.end()
