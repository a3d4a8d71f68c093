import { setTimeout as sleep } from 'node:timers/promises'
import { defineMessages } from '@oncebox/core'
import { fromPg, pgDatabase } from '@oncebox/core/pg'
import { createConsumer } from '@oncebox/inbox'
import { createOutbox } from '@oncebox/outbox'
import { createRelay } from '@oncebox/relay'
import { applyRoles, defaultRoles, migrate } from '@oncebox/schema'
import { until } from '@oncebox/testkit'
import { createRoleLogins, postgresVersions, type TestDatabase, testDatabase } from '@oncebox/testkit/harness'
import { memoryTransport } from '@oncebox/transport/memory'
import type pg from 'pg'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { codeBlocks, page } from './pages.js'

const [table, change, end] = codeBlocks(page('docs/moving.md'))
  .filter(({ language }) => language === 'sql')
  .map(({ code }) => code) as [string, string, string]

const messages = defineMessages({
  counted: { topic: 'counts', schema: z.object({ key: z.string(), n: z.number() }), key: ({ key }) => key },
})
const roles = defaultRoles()
const [keys, writers] = [5, 4]

/** A shop with the old table, a user of it who may emit as well, and a counter for each key. */
async function shop(version: TestDatabase['version']): Promise<TestDatabase> {
  return testDatabase({
    version,
    async prepare({ pool }) {
      const client = await pool.connect()
      await migrate(client)
      await applyRoles(client)
      await client.query(table)
      await client.query(
        'CREATE TABLE counter (key text PRIMARY KEY, n int); CREATE TABLE effect (number bigserial, key text, n int)',
      )
      await client.query(`INSERT INTO counter SELECT 'k' || i, 0 FROM generate_series(1, ${keys}) AS i`)
      await client.query(`GRANT ALL ON ALL TABLES IN SCHEMA public TO ${roles.producer}, ${roles.consumer};
        GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO ${roles.producer}, ${roles.consumer}`)
      await createRoleLogins(pool, Object.values(roles))
      client.release()
    },
  })
}

const insertOld = (client: pg.ClientBase, key: string, n: number) =>
  client.query(`INSERT INTO outbox (topic, key, type, payload) VALUES ('counts', $1, 'counted', $2) RETURNING number`, [
    key,
    JSON.stringify({ key, n }),
  ])
const outbox = createOutbox({ source: 'shop', messages })
const emitNew = (client: pg.ClientBase, key: string, n: number) => outbox.emit(fromPg(client), 'counted', { key, n })

/** Counts a key up and tells of it, in one transaction; every fifth is rolled back. */
async function count(
  pool: pg.Pool,
  key: string,
  tell: typeof insertOld | typeof emitNew,
  commit: boolean,
): Promise<void> {
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    const { rows } = await client.query('UPDATE counter SET n = n + 1 WHERE key = $1 RETURNING n', [key])
    await tell(client, key, rows[0].n)
    await client.query(commit ? 'COMMIT' : 'ROLLBACK')
  } finally {
    client.release()
  }
}

/** The relay that most teams write first: reads what is not marked, sends it, marks it. With or without a transaction around. */
async function oldRelay(
  pool: pg.Pool,
  transport: ReturnType<typeof memoryTransport>,
  locking: boolean,
): Promise<number> {
  const publisher = transport.publisher()
  const client = await pool.connect()
  try {
    if (locking) await client.query('BEGIN')
    const lock = locking ? 'FOR UPDATE' : ''
    const { rows } = await client.query(
      `SELECT number, id, key, type, payload FROM outbox WHERE published_at IS NULL ORDER BY number LIMIT 20 ${lock}`,
    )
    const text = (value: string): Uint8Array => Buffer.from(value)
    await publisher.publish(
      rows.map(({ id, key, type, payload }) => ({
        topic: 'counts',
        partition: 0,
        key: text(key),
        value: text(JSON.stringify(payload)),
        headers: [
          ['id', text(id)],
          ['eventType', text(type)],
          ['ce_source', text('shop')],
        ],
      })),
    )
    await client.query('UPDATE outbox SET published_at = now() WHERE number = ANY ($1)', [
      rows.map(({ number }) => number),
    ])
    if (locking) await client.query('COMMIT')
    return rows.length
  } finally {
    client.release()
  }
}

describe.each(postgresVersions)('moving from another outbox table, on Postgres %i', (version) => {
  test.each([
    ['keeps its rows locked while it sends', true],
    ['sends what it has read, locking nothing', false],
  ])(
    'G1, G3, G4: as documented, under load, from a relay that %s: every message has its effect once, in order',
    async (_, locking) => {
      await using database = await shop(version)
      const transport = memoryTransport()
      transport.createTopic('counts', 1)
      const services = database.as(roles.producer)
      const relay = createRelay({ pool: database.as(roles.relay), publisher: transport.publisher() })
      const consumer = createConsumer({
        db: pgDatabase(database.as(roles.consumer)),
        subscriber: transport.subscriber(),
        group: 'g',
        messages,
        handlers: {
          counted: async ({ data }, { trx }) => {
            await trx.query('INSERT INTO effect (key, n) VALUES ($1, $2)', [data.key, data.n])
          },
        },
      })
      let running = true
      const work: Promise<unknown>[] = []
      // Before the database is dropped, however the test ends.
      await using _ended = {
        async [Symbol.asyncDispose]() {
          running = false
          await Promise.allSettled([...work, relay.stop(), consumer.stop()])
        },
      }
      await relay.start()
      await consumer.start()
      let told = 0
      let moved = false
      const write = async (writer: number): Promise<void> => {
        for (let round = 0; running; round++) {
          // Half of the services are changed once the table is; the others go on as they always did.
          const tell = moved && writer % 2 === 0 ? emitNew : insertOld
          await count(services, `k${1 + ((writer + round) % keys)}`, tell, round % 5 !== 4)
          told++
        }
      }
      for (let writer = 0; writer < writers; writer++) work.push(write(writer))
      const send = async (): Promise<void> => {
        // The time between two looks of the old relay.
        while (running) if ((await oldRelay(services, transport, locking)) === 0) await sleep(1)
      }
      work.push(send())

      await until(() => transport.records('counts').length > 100, {
        what: 'the old relay to be at work',
        deadlineMs: 20_000,
      })
      await until(() => applied(database.pool), { what: 'the change to get its lock', deadlineMs: 25_000 })
      moved = true
      const before = told
      await until(() => told > before + 150, { what: 'services to go on', deadlineMs: 20_000 })
      running = false
      await Promise.all(work)

      const committed = `SELECT sum(n)::int AS count FROM counter`
      const wanted = (await database.pool.query(committed)).rows[0].count
      const effects = () =>
        database.pool.query('SELECT key, array_agg(n ORDER BY number) AS seen FROM effect GROUP BY key')
      await until(async () => (await effects()).rows.flatMap(({ seen }) => seen).length >= wanted, {
        what: 'every message to have its effect',
        deadlineMs: 20_000,
      })
      await relay.drain()
      await consumer.stop()
      for (const { key, seen } of (await effects()).rows) {
        expect(seen, key).toEqual(Array.from({ length: seen.length }, (_each, index) => index + 1))
      }
      expect((await effects()).rows.flatMap(({ seen }) => seen)).toHaveLength(wanted)
      const states = 'SELECT count(*)::int AS waiting FROM outbox WHERE published_at IS NULL'
      expect((await database.pool.query(states)).rows).toEqual([{ waiting: 0 }])
      await database.pool.query(end)
    },
    90_000,
  )
})

/** Runs the change; false when somebody held the table for too long. */
async function applied(pool: pg.Pool): Promise<boolean> {
  const client = await pool.connect()
  try {
    await client.query(change)
    return true
  } catch (error) {
    await client.query('ROLLBACK')
    if ((error as { code?: string }).code === '55P03') return false
    throw error
  } finally {
    client.release()
  }
}
