// Counts views: `node consumer.ts postgres://…`. Runs until SIGTERM.
import type { Message, Tx } from '@oncebox/core'
import { pgDatabase } from '@oncebox/core/pg'
import { increment, upsert } from '@oncebox/guards'
import { batch, createConsumer } from '@oncebox/inbox'
import { pgBoss } from '@oncebox/pg-boss'
import pg from 'pg'
import { group, messages, topic, type View } from './messages.ts'

/**
 * Counts the views of a batch, which holds only messages that are new to the group. Each row is written once, and rows in
 * the order of their keys, so that two consumers never wait for each other in a circle.
 */
async function count(views: readonly View[], tx: Tx): Promise<void> {
  const counts = new Map<string, { view: View; views: number }>()
  for (const view of views) {
    const key = JSON.stringify([view.act, view.user])
    counts.set(key, { view, views: (counts.get(key)?.views ?? 0) + 1 })
  }
  for (const [, { view, views }] of [...counts].sort(([a], [b]) => (a < b ? -1 : 1))) {
    await upsert(tx, {
      table: 'activity_stats',
      key: { act_code: view.act, user_id: view.user },
      insert: { views },
      update: { views: increment(views) },
    })
  }
}

const [connectionString = ''] = process.argv.slice(2)
const pool = new pg.Pool({ connectionString, max: 3, application_name: group })
const subscriber = pgBoss({ connectionString, topics: { [topic]: [group] }, heartbeatSeconds: 1 })
const consumer = createConsumer({
  db: pgDatabase(pool),
  subscriber,
  group,
  messages,
  handlers: {
    'page.viewed': batch((viewed: readonly Message<View>[], { tx }) =>
      count(
        viewed.map(({ data }) => data),
        tx,
      ),
    ),
  },
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
