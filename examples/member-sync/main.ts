// A restless directory: `node main.ts`; with DATABASE_URL it uses that (empty) database, without it starts a Postgres of
// its own. Pages come twice and in no order, each message is delivered three times, and processes are killed at work.
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { pgDatabase } from '@oncebox/core/pg'
import { createOutbox } from '@oncebox/outbox'
import { pgBoss, queueName } from '@oncebox/pg-boss'
import { createRelay } from '@oncebox/relay'
import { migrate } from '@oncebox/schema'
import { spawnNode, standstill, startCrew, startPostgres, until } from '@oncebox/testkit'
import type { Publisher } from '@oncebox/transport'
import pg from 'pg'
import { directory, memberAt, members, revisions, shuffledPages } from './directory.ts'
import { group, type Member, messages, topic } from './messages.ts'

const copies = 3
/** Each page comes in so many messages of its own, with ids of their own. */
const times = 2
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
  await client.query(await readFile(new URL('members.sql', import.meta.url), 'utf8'))
  client.release()

  const transport = pgBoss({ connectionString, topics: { [topic]: [group] }, heartbeatSeconds: 1 })
  const relay = createRelay({ pool, publisher: repeating(transport) })
  await relay.start()
  const script = fileURLToPath(new URL('consumer.ts', import.meta.url))
  await using crew = await startCrew({ script, args: [connectionString], size: 3, ready: 'following' })

  const pages = shuffledPages(times)
  const wave = Math.ceil(pages.length / waves)
  const outbox = createOutbox({ source: directory, messages })
  const send = (some: readonly Member[][]) =>
    pgDatabase(pool).transaction(({ tx }) =>
      outbox.emitMany(
        tx,
        some.map((page) => ({ type: 'directory.page', data: { directory, members: page } })),
      ),
    )
  for (let from = 0; from < pages.length; from += wave) {
    const begin = () => send(pages.slice(from, from + wave))
    // Each of the three has begun a transaction, and none can end it; then one of them is gone.
    const strike = () => crew.killOne()
    await standstill({ url: connectionString, table: 'member', application: group, sessions: 3, begin, strike })
  }
  // Beside the messages the nightly job brings old pages. It is killed in the middle of one, and begins anew.
  const nightly = () => spawnNode(fileURLToPath(new URL('nightly.ts', import.meta.url)), [connectionString])
  await using first = nightly()
  await standstill({
    ...{ url: connectionString, table: 'member', application: 'nightly', sessions: 1 },
    begin: () => first.waitForLine((line) => line === 'begun'),
    strike: () => first.kill('SIGKILL'),
  })
  await using second = nightly()
  const ends = [await first.ended, await second.ended].map(({ exitCode, signal }) => signal ?? exitCode)

  const deliveries = copies * pages.length
  await until(() => settled(pool, deliveries), { deadlineMs: 120_000, what: 'all pages to be handled' })
  await crew.stop()
  await relay.stop()
  await transport.close()
  console.log(`${pages.length} messages, ${deliveries} deliveries, ${crew.kills} processes killed at work`)
  console.log(`nightly job, twice: ${ends.join(', ')}`)
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

/** Whether members are what the directory knows of them last. */
async function tell(pool: pg.Pool): Promise<void> {
  const { rows } = await pool.query<Member>(
    'SELECT number::int, name, has_left AS "left", revision::int FROM member WHERE directory = $1',
    [directory],
  )
  const newest = rows.filter((row) => JSON.stringify(row) === JSON.stringify(memberAt(row.number, revisions)))
  const left = rows.filter((row) => row.left)
  console.log(
    `${rows.length} of ${members} members, ${newest.length} in their newest version, ${left.length} have left`,
  )
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
