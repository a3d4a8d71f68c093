// The production relay: windows, cursor, lease, per-key order and all, from a full outbox to an empty one.
import { kafka } from '@oncebox/kafka'
import { kafkajs } from '@oncebox/kafkajs'
import { createRelay } from '@oncebox/relay'
import pg from 'pg'
import { measure } from '../armResult.js'
import { exportSpans } from '../exportSpans.js'
import { readMetrics } from '../readMetrics.js'

const spans = process.env.TRACING === 'on' ? exportSpans() : null
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL })
// A session that ends while idle is the pool's business.
pool.on('error', () => undefined)
const brokers = (process.env.KAFKA_BROKERS ?? '').split(',')
const publisher = process.env.TRANSPORT === 'kafkajs' ? kafkajs({ brokers }) : kafka({ brokers })
const metrics = process.env.METRICS === 'on' ? readMetrics(pool) : null
const relay = createRelay({
  pool,
  publisher,
  ...(metrics === null ? {} : { onEvent: metrics.relay }),
  ...(process.env.BATCH ? { batchMessages: Number(process.env.BATCH) } : {}),
})
await relay.start()
await measure(async () => (await relay.drain()).published)
await metrics?.stop()
await spans?.stop()
await relay.stop()
await publisher.close()
await pool.end()
process.exit(0)
