// The account service, seventeen workers in a process: `node consumer.ts postgres://…`. Runs until SIGTERM.
import { pgDatabase } from '@oncebox/core/pg'
import { createConsumer } from '@oncebox/inbox'
import { pgBoss } from '@oncebox/pg-boss'
import pg from 'pg'
import { handlers } from './handlers.ts'
import { group, messages } from './messages.ts'

const workers = 17
const [connectionString = ''] = process.argv.slice(2)
const pool = new pg.Pool({ connectionString, max: workers + 2, application_name: group })
const subscriber = pgBoss({ connectionString, topics: { accounts: [group] }, heartbeatSeconds: 2 })

const consumers = Array.from({ length: workers }, () =>
  createConsumer({
    db: pgDatabase(pool),
    subscriber,
    group,
    messages,
    handlers,
    // A transaction a message, so that as many messages as there are workers are under way at a time.
    batchMessages: 1,
    // This day is rough: a message whose process is killed again and again has done nothing wrong.
    attempts: 100,
    // pg-boss keeps what waits for ever; nothing here grows older than the inbox's memory.
    allowLongerRetention: true,
  }),
)
await Promise.all(consumers.map((consumer) => consumer.start()))
console.log('deducting')

process.once('SIGTERM', async () => {
  await Promise.all(consumers.map((consumer) => consumer.stop({ deadlineMs: 10_000 })))
  await subscriber.close()
  await pool.end()
})
