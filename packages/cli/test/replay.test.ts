import { createRelay } from '@oncebox/relay'
import { memoryTransport } from '@oncebox/transport/memory'
import { expect, test } from 'vitest'
import { jsonLines, oncebox, startOncebox } from './oncebox.js'
import { emitSql, type MigratedDatabase, migratedDatabase } from './outbox.js'

const idsOf = async ({ pool }: MigratedDatabase): Promise<string[]> =>
  (await pool.query('SELECT id FROM oncebox.outbox ORDER BY position')).rows.map(({ id }) => id)

const done = ({ stdout }: { stdout: string }) => jsonLines(stdout)[0]

test('a replay is counted first, wants --yes, and copies in order, with ids, payloads, headers and keys', async () => {
  await using database = await migratedDatabase()
  const orders: string[] = []
  for (let n = 0; n < 7; n++) {
    orders.push(
      ...(await emitSql(database, {
        topic: 'orders',
        key: `k${n % 2}`,
        payload: `canary-${n}`,
        headers: { n: `${n}` },
      })),
    )
    await emitSql(database, { topic: 'other', key: 'x', payload: '{}' })
  }
  const args = ['replay', '--topic', 'orders', '--json']
  const dry = await oncebox([...args, '--dry-run'], database)
  expect(dry).toMatchObject({ code: 0, stderr: '' })
  expect(done(dry)).toMatchObject({ dryRun: true, messages: 7, topics: [{ topic: 'orders', messages: 7 }] })
  const unasked = await oncebox(args, database)
  expect(unasked).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('7 messages are found') })
  expect(await idsOf(database)).toHaveLength(14)

  const result = await oncebox([...args, '--yes'], database)
  expect(result.code).toBe(0)
  expect(done(result)).toEqual({ dryRun: false, messages: 7, copied: 7, rest: null })
  expect(result.stdout + result.stderr).not.toContain('canary')
  expect((await idsOf(database)).slice(14)).toEqual(orders)
  const { rows } = await database.pool.query(
    `SELECT count(*)::int AS same FROM oncebox.outbox AS copy JOIN oncebox.outbox AS first USING (id)
     WHERE copy.position > first.position AND copy.created_at >= first.created_at
       AND (copy.source, copy.topic, copy.key, copy.type, copy.content_type, copy.headers, copy.payload)
         = (first.source, first.topic, first.key, first.type, first.content_type, first.headers, first.payload)`,
  )
  expect(rows[0].same).toBe(7)
  // Again: the copies are found as well, and each message is copied once.
  expect(done(await oncebox([...args, '--yes'], database))).toMatchObject({ messages: 7, copied: 7 })
  expect((await idsOf(database)).slice(21)).toEqual(orders)
})

test('the relay publishes what was replayed', async () => {
  await using database = await migratedDatabase()
  const transport = memoryTransport()
  const relay = createRelay({ pool: database.pool, publisher: transport.publisher(), createTopics: 1 })
  await relay.start()
  const [id] = await emitSql(database, { topic: 'orders', key: 'k', payload: '{}' })
  await relay.drain()
  expect(await oncebox(['replay', id as string], database)).toMatchObject({
    code: 0,
    stdout: 'Replayed 1 message: the relay publishes them again.\n',
  })
  await relay.drain()
  await relay.stop()
  const sent = transport
    .records('orders')
    .map(({ headers }) => Buffer.from(headers.find(([name]) => name === 'ce_id')?.[1] ?? []).toString())
  expect(sent).toEqual([id, id])
})

test('by key, type and time: only what all of them say, and nothing that was written outside of the range', async () => {
  await using database = await migratedDatabase()
  const [old] = await emitSql(database, { topic: 'orders', key: 'a', type: 'made', payload: '{}' })
  await database.pool.query(`UPDATE oncebox.outbox SET created_at = now() - interval '2 hours' WHERE id = $1`, [old])
  const wanted = await emitSql(database, { topic: 'orders', key: 'a', type: 'made', payload: '{}' }, 2)
  await emitSql(database, { topic: 'orders', key: 'b', type: 'made', payload: '{}' })
  await emitSql(database, { topic: 'orders', key: 'a', type: 'paid', payload: '{}' })
  const args = ['replay', '--key', 'a', '--type', 'made', '--json', '--yes']
  expect(done(await oncebox([...args, '--dry-run', '--since', '3h'], database))).toMatchObject({ messages: 3 })
  expect(done(await oncebox([...args, '--dry-run', '--since', '3h', '--until', '1h'], database))).toMatchObject({
    messages: 1,
  })
  expect(done(await oncebox(args, database))).toMatchObject({ copied: 2 })
  expect((await idsOf(database)).slice(5)).toEqual(wanted)
  // An id names its message at whatever time it was written.
  expect(done(await oncebox(['replay', old as string, '--since', '7d', '--json'], database))).toMatchObject({
    copied: 1,
  })
})

test('a replay keeps to its rate, says how to go on when it is stopped, and goes on there', async () => {
  await using database = await migratedDatabase()
  const ids = await emitSql(database, { topic: 'orders', key: 'a', payload: '{}' }, 60)
  const args = ['replay', '--topic', 'orders', '--yes', '--json']
  const slow = startOncebox([...args, '--rate', '2'], database)
  const stopped = new Promise<void>((resolve) => {
    slow.process.stderr?.on('data', () => slow.stderr().split('\n').length > 2 && resolve())
  })
  await stopped
  slow.process.kill('SIGTERM')
  const { code, stdout } = await slow.ended
  expect(code).toBe(1)
  const { copied, rest } = done({ stdout }) as { copied: number; rest: { after: string; before: string } }
  expect(copied).toBeGreaterThan(0)
  expect(copied).toBeLessThan(60)
  const going = await oncebox([...args, '--after', rest.after, '--before', rest.before], database)
  expect(done(going)).toMatchObject({ copied: 60 - copied, rest: null })
  expect((await idsOf(database)).slice(60)).toEqual(ids)
})

test('an id that is not in the outbox is exit 1', async () => {
  await using database = await migratedDatabase()
  const unknown = await oncebox(['replay', '01a2143c-7a46-718b-ac8e-3d4f54d8b24d', '--json'], database)
  expect(unknown).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('nothing to replay') })
})
