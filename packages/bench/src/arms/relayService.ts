// The production relay as a service: says `ready` on standard output, and runs until SIGTERM.
import { surviveConnectionLoss } from '@oncebox/core/pg'
import { kafka } from '@oncebox/kafka'
import { createRelay } from '@oncebox/relay'
import pg from 'pg'

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL })
surviveConnectionLoss(pool)
const publisher = kafka({ brokers: (process.env.KAFKA_BROKERS ?? '').split(',') })
const relay = createRelay({ pool, publisher })
await relay.start()
process.stdout.write('ready\n')
process.once('SIGTERM', async () => {
  await relay.stop()
  await publisher.close()
  await pool.end()
  process.exit(0)
})
