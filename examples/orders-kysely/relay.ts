// Publishes what was committed: `node relay.ts --database-url postgres://… --brokers localhost:9092 [--until-idle]`
// `oncebox relay` does the same without a program of your own.
import { parseArgs } from 'node:util'
import { surviveConnectionLoss } from '@oncebox/core/pg'
import { kafka } from '@oncebox/kafka'
import { createRelay } from '@oncebox/relay'
import pg from 'pg'

const { values: flags } = parseArgs({
  options: {
    'database-url': { type: 'string', default: process.env.DATABASE_URL ?? '' },
    brokers: { type: 'string', default: process.env.KAFKA_BROKERS ?? '' },
    'until-idle': { type: 'boolean', default: false },
  },
})

const pool = new pg.Pool({ connectionString: flags['database-url'], max: 4 })
surviveConnectionLoss(pool)
const publisher = kafka({ brokers: flags.brokers.split(',') })
const relay = createRelay({ pool, publisher, createTopics: 4 })

async function close(): Promise<void> {
  await publisher.close()
  await pool.end()
}

if (flags['until-idle']) {
  const { published } = await relay.drain()
  console.log(`published ${published}`)
  await close()
} else {
  await relay.start()
  console.log('relaying')
  const stop = async (): Promise<void> => {
    await relay.stop({ deadlineMs: 10_000 })
    await close()
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
}
