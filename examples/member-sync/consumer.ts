// Follows the directory: `node consumer.ts postgres://…`. Runs until SIGTERM.
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
  // A few pages a transaction. Those of two consumers may meet in the wrong order; then the inbox runs them again.
  batchMessages: 5,
  // pg-boss keeps what waits for ever; nothing here grows older than the inbox's memory.
  allowLongerRetention: true,
})
await consumer.start()
console.log('following')

process.once('SIGTERM', async () => {
  await consumer.stop({ deadlineMs: 10_000 })
  await subscriber.close()
  await pool.end()
})
