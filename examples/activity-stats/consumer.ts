// Counts views: `node consumer.ts postgres://…`. Runs until SIGTERM.
import { pgDatabase } from '@oncebox/core/pg'
import { createConsumer } from '@oncebox/inbox'
import { pgBoss } from '@oncebox/pg-boss'
import pg from 'pg'
import { handlers } from './handlers.ts'
import { group, messages, topic } from './messages.ts'

const [connectionString = ''] = process.argv.slice(2)
const pool = new pg.Pool({ connectionString, max: 3, application_name: group })
const subscriber = pgBoss({ connectionString, topics: { [topic]: [group] }, heartbeatSeconds: 1 })
const consumer = createConsumer({
  db: pgDatabase(pool),
  subscriber,
  group,
  messages,
  handlers,
  batchMessages: 50,
  // pg-boss keeps what waits for ever; nothing here grows older than the inbox's memory.
  allowLongerRetention: true,
})
await consumer.start()
console.log('counting')

process.once('SIGTERM', async () => {
  await consumer.stop({ deadlineMs: 5_000 })
  await subscriber.close()
  await pool.end()
})
