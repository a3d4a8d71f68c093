// Handles every message of some topics, of whatever type, once:
// `node consumer.ts --group audit --topics orders,payments --database-url postgres://… --brokers localhost:9092`
// Runs until SIGTERM or SIGINT.
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { isOnceboxError } from '@oncebox/core'
import { kyselyDatabase } from '@oncebox/core/kysely'
import { batch, createConsumer } from '@oncebox/inbox'
import { kafka } from '@oncebox/kafka'
import type { Transaction } from 'kysely'
import { openDatabase } from './database.ts'
import { addHandled, createTables, type Handled } from './handled.ts'

const { values: flags } = parseArgs({
  options: {
    group: { type: 'string', default: 'audit' },
    topics: { type: 'string', default: 'orders' },
    'database-url': { type: 'string', default: process.env.DATABASE_URL ?? '' },
    brokers: { type: 'string', default: process.env.KAFKA_BROKERS ?? '' },
  },
})

const stopping = new AbortController()
process.once('SIGTERM', () => stopping.abort())
process.once('SIGINT', () => stopping.abort())

const db = await openDatabase<Handled>(flags['database-url'])
await createTables(db)
const subscriber = kafka({ brokers: flags.brokers.split(',') })

const consumer = createConsumer({
  db: kyselyDatabase(db),
  subscriber,
  group: flags.group,
  topics: flags.topics.split(','),
  // It writes down whatever comes, so it shares no contract with anybody.
  messages: {},
  handlers: {
    '*': batch((received, { trx }: { trx: Transaction<Handled> }) => addHandled(trx, received)),
  },
  // Topics may keep records for longer than the inbox remembers ids; what is that old goes to the dead letters.
  allowLongerRetention: true,
})

/** A topic that is not there yet, or a broker that starts up, is waited for. */
async function startPatiently(): Promise<void> {
  while (!stopping.signal.aborted) {
    try {
      await consumer.start()
      return
    } catch (error) {
      if (!isOnceboxError(error) || !error.retryable) throw error
      console.log(`waiting: ${error.code}`)
      await sleep(1_000, undefined, { signal: stopping.signal }).catch(() => undefined)
    }
  }
}

await startPatiently()
if (!stopping.signal.aborted) {
  console.log(`handling ${flags.topics} as ${flags.group}`)
  await new Promise((resolve) => stopping.signal.addEventListener('abort', resolve, { once: true }))
}
await consumer.stop({ deadlineMs: 10_000 })
await subscriber.close()
await db.destroy()
