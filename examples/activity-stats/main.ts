// Many pages, many views: `node main.ts`; with DATABASE_URL it uses that (empty) database, without it starts a Postgres
// of its own. Every message is delivered three times, and consumers are killed in the middle of counting.
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { pgBoss, queueName } from '@oncebox/pg-boss'
import { createRelay } from '@oncebox/relay'
import { migrate } from '@oncebox/schema'
import { standstill, startCrew, startPostgres, until } from '@oncebox/testkit'
import type { Publisher } from '@oncebox/transport'
import pg from 'pg'
import { group, topic } from './messages.ts'
import { allViews, showPages } from './views.ts'

const copies = 3
const waves = 3

/** Hands over everything several times, as after acknowledgements that got lost. */
function repeating(publisher: Publisher): Publisher {
  return {
    ...publisher,
    async publish(records) {
      for (let copy = 1; copy < copies; copy++) await publisher.publish(records)
      return publisher.publish(records)
    },
  }
}

async function main(connectionString: string): Promise<void> {
  const pool = new pg.Pool({ connectionString, max: 6 })
  const client = await pool.connect()
  await migrate(client)
  await client.query(await readFile(new URL('tables.sql', import.meta.url), 'utf8'))
  client.release()

  const transport = pgBoss({ connectionString, topics: { [topic]: [group] }, heartbeatSeconds: 1 })
  const relay = createRelay({ pool, publisher: repeating(transport) })
  await relay.start()
  const script = fileURLToPath(new URL('consumer.ts', import.meta.url))
  await using crew = await startCrew({ script, args: [connectionString], size: 3, ready: 'counting' })

  const views = allViews()
  const wave = Math.ceil(views.length / waves)
  let rolledBack = 0
  for (let from = 0; from < views.length; from += wave) {
    const begin = async () => {
      rolledBack += await showPages(pool, views.slice(from, from + wave))
    }
    // Each of the three has begun a transaction, and none can end it; then one of them is gone.
    const strike = () => crew.killOne()
    await standstill({ url: connectionString, table: 'activity_stats', application: group, sessions: 3, begin, strike })
  }
  const deliveries = copies * views.length
  await until(() => settled(pool, deliveries), { deadlineMs: 120_000, what: 'all views to be counted' })
  await crew.stop()
  await relay.stop()
  await transport.close()
  console.log(`${views.length} views, and ${rolledBack} that were rolled back`)
  console.log(`${deliveries} deliveries, ${crew.kills} processes killed at work`)
  await tell(pool)
  await pool.end()
}

/** Whether so many deliveries have been handled and none is left. */
async function settled(pool: pg.Pool, deliveries: number): Promise<boolean> {
  const { rows } = await pool.query<{ jobs: number; left: number }>(
    `SELECT count(*)::int AS jobs, (count(*) FILTER (WHERE state < 'completed'))::int AS left
     FROM pgboss.job WHERE name = $1`,
    [queueName(topic, group)],
  )
  return rows[0]?.jobs === deliveries && rows[0].left === 0
}

/** The counts of each act, and in how many rows they differ from what the pages have seen themselves. */
async function tell(pool: pg.Pool): Promise<void> {
  const { rows } = await pool.query(`
    SELECT act_code, sum(activity_stats.views) AS views, count(*) AS users,
      count(*) FILTER (WHERE seen.views IS DISTINCT FROM activity_stats.views) AS wrong
    FROM activity_stats FULL JOIN (
      SELECT act_code, user_id, count(*) AS views FROM page_view GROUP BY act_code, user_id
    ) AS seen USING (act_code, user_id)
    GROUP BY act_code ORDER BY act_code`)
  for (const { act_code, views, users, wrong } of rows) {
    console.log(`${act_code}: ${views} views by ${users} users, wrong for ${wrong}`)
  }
}

const given = process.env.DATABASE_URL
if (given !== undefined) {
  await main(given)
} else {
  const server = await startPostgres()
  try {
    await main(server.url)
  } finally {
    await server.remove()
  }
}
