// A new version is rolled out: `node main.ts`; with DATABASE_URL it uses that (empty) database, without it starts a Postgres
// of its own; with KAFKA_BROKERS messages go over that Kafka, without it over pg-boss. Every message is sent twice.
import { randomUUID } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createRelay } from '@oncebox/relay'
import { migrate } from '@oncebox/schema'
import { startCrew, startPostgres } from '@oncebox/testkit'
import type { Publisher } from '@oncebox/transport'
import pg from 'pg'
import { scanParcels } from './load.ts'
import { openTransport, type Setup } from './transport.ts'

const copies = 2
const consumers = 5

/** Hands over everything several times, as after acknowledgements that got lost. */
function repeating(publisher: Publisher): Publisher {
  return {
    name: publisher.name,
    connect: () => publisher.connect(),
    partitions: (topic) => publisher.partitions(topic),
    createTopic: (topic, partitions) => publisher.createTopic(topic, partitions),
    close: () => publisher.close(),
    async publish(records) {
      for (let copy = 1; copy < copies; copy++) await publisher.publish(records)
      return publisher.publish(records)
    },
  }
}

async function main(setup: Setup): Promise<void> {
  const pool = new pg.Pool({ connectionString: setup.databaseUrl, max: 6 })
  const client = await pool.connect()
  await migrate(client)
  await client.query(await readFile(new URL('scans.sql', import.meta.url), 'utf8'))
  client.release()

  const transport = await openTransport(setup)
  await transport.createTopic(setup.topic, 2 * consumers)
  const relay = createRelay({ pool, publisher: repeating(transport) })
  await relay.start()
  const script = fileURLToPath(new URL('consumer.ts', import.meta.url))
  await using crew = await startCrew({ script, args: [JSON.stringify(setup)], size: consumers, ready: 'scanning' })

  /** Does something under load, waits until everything is handled, and tells how it went. */
  async function underLoad(what: string, work: () => Promise<unknown>): Promise<void> {
    const before = await scans(pool)
    const runsBefore = await runsIn(setup.runsFile)
    const enough = new AbortController()
    const load = scanParcels(pool, setup.topic, enough.signal)
    try {
      await work()
    } finally {
      enough.abort()
    }
    await load
    const after = await scans(pool)
    const handled = after.messages - before.messages
    const twice = after.rows - before.rows - handled
    const inVain = (await runsIn(setup.runsFile)) - runsBefore - (after.rows - before.rows)
    const lost = after.emitted - before.emitted - handled
    console.log(`${what}: ${handled} messages handled, ${lost} lost, ${twice} twice`)
    console.log(
      `  ${inVain} runs in vain, longest wait ${((await longestWaitMs(pool, before.until)) / 1_000).toFixed(2)} s`,
    )
  }

  const first = [...crew.members]
  await underLoad('rolling restart', async () => {
    for (let restart = 0; restart < consumers; restart++) await crew.relieveOne()
  })
  const stopsMs = first.flatMap(
    ({ lines }) => /^left in good order after (\d+) ms$/.exec(lines.at(-1) ?? '')?.[1] ?? [],
  )
  const slowest = Math.max(...stopsMs.map(Number)) / 1_000
  console.log(
    `  ${stopsMs.length} of ${consumers} consumers left in good order, the slowest in ${slowest.toFixed(2)} s`,
  )
  await underLoad('one consumer killed', async () => {
    await sleep(500 + 500 * Math.random())
    await crew.killOne()
  })
  await crew.stop()
  await relay.stop()
  await transport.close()
  await pool.end()
}

/** What is in the tables so far. */
async function scans(pool: pg.Pool): Promise<{ emitted: number; messages: number; rows: number; until: Date }> {
  const { rows } = await pool.query(
    `SELECT (SELECT count(*)::int FROM oncebox.outbox) AS emitted, count(DISTINCT message_id)::int AS messages,
       count(*)::int AS rows, clock_timestamp() AS until FROM scan`,
  )
  return rows[0]
}

/** From the time at which a message was emitted to the time at which its handler wrote, both by the database's clock. */
async function longestWaitMs(pool: pg.Pool, since: Date): Promise<number> {
  const { rows } = await pool.query<{ ms: number }>(
    `SELECT (extract(epoch FROM max(handled_at - emitted_at)) * 1000)::float8 AS ms FROM scan WHERE emitted_at > $1`,
    [since],
  )
  return rows[0]?.ms ?? 0
}

/** How often a handler was run, in processes that are gone too. */
async function runsIn(file: string): Promise<number> {
  return (await readFile(file, 'utf8')).split('\n').length - 1
}

const directory = await mkdtemp(join(tmpdir(), 'graceful-shutdown-'))
const server = process.env.DATABASE_URL === undefined ? await startPostgres() : undefined
try {
  await main({
    databaseUrl: process.env.DATABASE_URL ?? server?.url ?? '',
    topic: `parcels-${randomUUID()}`,
    brokers: process.env.KAFKA_BROKERS?.split(',') ?? [],
    runsFile: join(directory, 'runs'),
  })
} finally {
  await server?.remove()
  await rm(directory, { recursive: true })
}
