import { defineMessages } from '@oncebox/core'
import { pgDatabase } from '@oncebox/core/pg'
import { createConsumer } from '@oncebox/inbox'
import { createRelay } from '@oncebox/relay'
import { until } from '@oncebox/testkit'
import { type MemoryTransport, memoryTransport } from '@oncebox/transport/memory'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { jsonLines, oncebox, startOncebox } from './oncebox.js'
import { emitSql, type MigratedDatabase, migratedDatabase } from './outbox.js'

const done = ({ stdout }: { stdout: string }) => jsonLines(stdout)[0] as Record<string, unknown>

/** A consumer that writes a row of `effect` for each message, in order. */
async function consume(database: MigratedDatabase, transport: MemoryTransport, group: string): Promise<void> {
  // Sessions of its own, which a test may end.
  const pool = new pg.Pool({ connectionString: database.url, application_name: 'consumer' })
  pool.on('error', () => undefined)
  onTestFinished(() => pool.end())
  const consumer = createConsumer({
    db: pgDatabase(pool),
    subscriber: transport.subscriber(),
    group,
    topics: ['orders', 'mails'],
    messages: defineMessages({ test: { topic: 'orders', schema: z.unknown() } }),
    redrivePollMs: 20,
    allowLongerRetention: true,
    handlers: {
      test: async (message, { tx }) => {
        await tx.query('INSERT INTO effect (consumer, id, key) VALUES ($1, $2, $3)', [group, message.id, message.key])
      },
    },
  })
  onTestFinished(() => consumer.stop())
  await consumer.start()
}

async function publishAll(database: MigratedDatabase, transport: MemoryTransport): Promise<void> {
  await createRelay({ pool: database.pool, publisher: transport.publisher() }).drain()
}

interface Effect {
  readonly id: string
  readonly key: string | null
  readonly consumer: string
}

test('G3: a group handles messages again, each once more and in order, through kills of the command and of its own sessions; no other group hears of it', async () => {
  await using database = await migratedDatabase()
  const { pool } = database
  await pool.query('CREATE TABLE effect (n bigserial, consumer text, id uuid, key text)')
  const transport = memoryTransport({ partitions: 2 })
  for (const topic of ['orders', 'mails']) transport.createTopic(topic)
  const effects = async () => (await pool.query<Effect>('SELECT consumer, id, key FROM effect ORDER BY n')).rows
  const ids: string[] = []
  for (let n = 0; n < 60; n++) {
    ids.push(...(await emitSql(database, { topic: 'orders', key: n % 6 === 5 ? null : `k${n % 5}`, payload: `${n}` })))
  }
  const late = await emitSql(database, { topic: 'mails', key: 'k', payload: '{}' })
  await publishAll(database, transport)
  await consume(database, transport, 'audit')
  await consume(database, transport, 'billing')
  await until(async () => (await effects()).length === 122, {
    what: 'both groups to have handled all',
    deadlineMs: 30_000,
  })

  const args = ['replay', '--again', '--group', 'billing', '--topic', 'orders', '--json']
  const dry = await oncebox([...args, '--dry-run'], database)
  expect(dry).toMatchObject({ code: 0, stderr: '' })
  expect(done(dry)).toEqual({
    dryRun: true,
    group: 'billing',
    messages: 60,
    topics: [{ topic: 'orders', messages: 60 }],
  })
  expect(await oncebox(args, database)).toMatchObject({ code: 2, stderr: expect.stringContaining('needs a reason') })
  const asked = [...args, '--reason', 'rates were wrong', '--by', 'ann']
  expect(await oncebox(asked, database)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('60 messages again'),
  })
  expect(await effects()).toHaveLength(122)

  const requested = async () =>
    Number((await pool.query('SELECT count(*)::int AS count FROM oncebox.replay_request')).rows[0].count)
  const first = startOncebox([...asked, '--yes', '--rate', '4'], database)
  await until(async () => (await requested()) >= 8, { what: 'some to be asked for', deadlineMs: 20_000 })
  first.process.kill('SIGKILL')
  await first.ended
  // And the consumers lose their sessions while they are at it.
  await pool.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'consumer'`)
  expect(await requested()).toBeLessThan(60)
  const { rows } = await pool.query('SELECT run, asked_by, why, ended_at FROM oncebox.replay_run')
  expect(rows).toMatchObject([{ asked_by: 'ann', why: 'rates were wrong', ended_at: null }])
  const going = await oncebox(['replay', '--again', '--run', rows[0].run, '--json'], database)
  expect(going.code).toBe(0)
  expect(done(going)).toMatchObject({
    run: rows[0].run,
    group: 'billing',
    messages: 60,
    waiting: 0,
    dead: 0,
    ended: true,
  })
  // Once more: the run has ended, and nothing is asked for twice.
  expect(done(await oncebox(['replay', '--again', '--run', rows[0].run, '--json'], database))).toMatchObject({
    asked: 0,
  })

  await until(async () => (await effects()).length >= 182, { what: 'billing to handle them again', deadlineMs: 30_000 })
  const all = await effects()
  const counts = new Map<string, number>()
  for (const { consumer, id } of all) counts.set(`${consumer} ${id}`, (counts.get(`${consumer} ${id}`) ?? 0) + 1)
  for (const id of ids) expect([counts.get(`billing ${id}`), counts.get(`audit ${id}`)]).toEqual([2, 1])
  expect(counts.get(`billing ${late[0]}`)).toBe(1)
  for (const key of ['k0', 'k1', 'k2', 'k3', 'k4']) {
    const again = all.slice(122).filter((each) => each.key === key)
    expect(again.map(({ id }) => id)).toEqual(ids.filter((id) => again.some((each) => each.id === id)))
  }
  const left = await pool.query(
    `SELECT (SELECT count(*) FROM oncebox.parked_delivery) + (SELECT count(*) FROM oncebox.dead_letter) AS waiting`,
  )
  expect(left.rows).toEqual([{ waiting: '0' }])
  const shown = await oncebox(['show', ids[0] as string], database)
  expect(shown.stdout).toMatch(/again .* by ann, group billing$/m)
  expect(shown.stdout).not.toMatch(/again .* group audit$/m)
  // Published again, as every replay may be, the ids are known to both.
  await oncebox(['replay', '--topic', 'orders', '--yes'], database)
  await publishAll(database, transport)
  await emitSql(database, { topic: 'mails', key: 'last', payload: '{}' })
  await publishAll(database, transport)
  const last = async () => (await effects()).filter(({ key }) => key === 'last').length
  await until(async () => (await last()) === 2, { what: 'what came after the copies', deadlineMs: 20_000 })
  expect((await effects()).length).toBe(184)
}, 180_000)

test('in a database of its own, a group that was asked before the first delivery handles the message once; what is dead is told', async () => {
  await using producer = await migratedDatabase()
  await using consumer = await migratedDatabase()
  await consumer.pool.query('CREATE TABLE effect (n bigserial, consumer text, id uuid, key text)')
  const transport = memoryTransport({ partitions: 2 })
  for (const topic of ['orders', 'mails']) transport.createTopic(topic)
  const count = async () => Number((await consumer.pool.query('SELECT count(*)::int AS n FROM effect')).rows[0].n)
  await emitSql(producer, { topic: 'orders', key: 'k', payload: '{}' })
  await publishAll(producer, transport)
  await consume(consumer, transport, 'billing')
  await until(async () => (await count()) === 1, { what: 'the first message', deadlineMs: 20_000 })

  const [id] = await emitSql(producer, { topic: 'orders', key: 'k', payload: '{}' })
  const [dead] = await emitSql(producer, { topic: 'orders', key: 'other', payload: '{}' })
  await consumer.pool.query(
    `INSERT INTO oncebox.dead_letter (record_time, partition, attempts, consumer, source, message_id, topic, type, reason, headers)
     SELECT now(), 0, 8, 'billing', current_database(), $1, 'orders', 'y', 'HANDLER_FAILED', '[]'`,
    [dead],
  )
  await consumer.pool.query(`UPDATE oncebox.dead_letter SET source = $1`, [producer.name])
  const args = ['replay', '--again', '--consumer-url', consumer.url, '--reason', 'r', '--by', 'ann', '--yes', '--json']
  const known = await oncebox([...args, '--group', 'billing', id as string, dead as string], producer)
  expect(known.code).toBe(0)
  expect(done(known)).toMatchObject({ asked: 1, dead: 1, ended: true })
  await until(async () => (await count()) === 2, { what: 'the second message', deadlineMs: 20_000 })
  await publishAll(producer, transport)
  await emitSql(producer, { topic: 'orders', key: 'k', payload: '{}' })
  await publishAll(producer, transport)
  await until(async () => (await count()) === 3, { what: 'the third message', deadlineMs: 20_000 })
  expect((await consumer.pool.query(`SELECT FROM effect WHERE id = $1`, [id])).rows).toHaveLength(1)

  const unknown = await oncebox([...args, '--group', 'biling', id as string], producer)
  expect(unknown).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('No such consumer group') })
}, 180_000)

test('a group that has read nothing here is refused before anything is written, also with --dry-run', async () => {
  await using database = await migratedDatabase()
  await emitSql(database, { topic: 'orders', key: 'k', payload: '{}' })
  for (const more of [['--dry-run'], ['--reason', 'a test', '--yes']]) {
    const args = ['replay', '--again', '--group', 'elsewhere', '--topic', 'orders', '--by', 'ann', '--json', ...more]
    const { code, stderr } = await oncebox(args, database)
    expect(code).toBe(2)
    expect(stderr).toContain('--consumer-url')
  }
  // A run that cannot be carried out would be told of as not ended, for ever.
  expect((await database.pool.query('SELECT FROM oncebox.replay_run')).rowCount).toBe(0)
})
