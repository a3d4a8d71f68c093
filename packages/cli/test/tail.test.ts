import { until } from '@oncebox/testkit'
import { testDatabase } from '@oncebox/testkit/harness'
import { expect, test } from 'vitest'
import { oncebox, startOncebox } from './oncebox.js'
import { emitSql, migratedDatabase } from './outbox.js'

test('tail begins with the newest messages, follows what commits, and ends with 0 at SIGTERM', async () => {
  await using database = await migratedDatabase()
  await emitSql(database, { topic: 'orders', key: 'before', payload: 'canary-payload' }, 12)
  const following = startOncebox(['tail', '--last', '2', '--json'], database)
  await following.event((message) => message.position === '12')
  expect(following.events().map(({ position }) => position)).toEqual(['11', '12'])

  const writer = await database.pool.connect()
  await writer.query('begin')
  await writer.query(`select oncebox.emit('orders', 'late', 'test', 'canary-payload'::text)`)
  const [id] = await emitSql(database, { topic: 'orders', key: 'early', payload: 'canary-payload' })
  await following.event((message) => message.id === id)
  await writer.query('commit')
  writer.release()
  await following.event((message) => message.key === 'late')

  following.process.kill('SIGTERM')
  const { code, stdout, stderr } = await following.ended
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).not.toContain('canary-payload')
  expect(following.events().map(({ key }) => key)).toEqual(['before', 'before', 'early', 'late'])
})

test('a key cannot reach the terminal as anything but text', async () => {
  await using database = await migratedDatabase()
  await emitSql(database, { topic: 'orders', key: '\u001b[31mred\u0007\u202e', payload: '{}' })
  const following = startOncebox(['tail'], database)
  await until(() => following.stdout().includes('red'), { what: 'the message' })
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
  expect(following.stdout()).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/)
  following.process.kill('SIGINT')
  expect((await following.ended).code).toBe(0)
})

test('a reader that goes away ends tail without a word', async () => {
  await using database = await migratedDatabase()
  const following = startOncebox(['tail'], database)
  await emitSql(database, { topic: 'orders', key: 'a', payload: '{}' })
  await until(() => following.stdout() !== '', { what: 'the first message' })
  following.process.stdout?.destroy()
  await emitSql(database, { topic: 'orders', key: 'b', payload: '{}' })
  await emitSql(database, { topic: 'orders', key: 'c', payload: '{}' })
  expect(await following.ended).toMatchObject({ code: 0, stderr: '' })
})

test('a database that ends the session is told with exit code 3', async () => {
  await using database = await migratedDatabase()
  const following = startOncebox(['tail'], database)
  await emitSql(database, { topic: 'orders', key: 'a', payload: '{}' })
  await until(() => following.stdout() !== '', { what: 'the first message' })
  await database.pool.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and application_name = 'oncebox tail'`,
  )
  expect(await following.ended).toMatchObject({ code: 3, stderr: expect.stringContaining('"level":"error"') })
})

test('tail of a database without the schema says what to run', async () => {
  await using database = await testDatabase()
  const { code, stderr } = await oncebox(['tail'], { environment: { DATABASE_URL: database.url } })
  expect(code).toBe(1)
  expect(stderr).toContain('oncebox migrate')
})

test('tail shows what its filters let through, and with --published what the relay sends, with its partition', async () => {
  await using database = await migratedDatabase()
  await emitSql(database, { topic: 'mails', key: 'a', payload: '{}' }, 3)
  const written = startOncebox(
    ['tail', '--json', '--topic', 'orders', '--key', 'k', '--type', 'test', '--lane', '0'],
    database,
  )
  const published = startOncebox(['tail', '--json', '--published', '--topic', 'orders'], database)
  // Both are following: what comes now is seen.
  const following = () =>
    database.pool.query(
      `SELECT FROM pg_stat_activity WHERE application_name = 'oncebox tail' AND query ~ 'clock_timestamp|found'`,
    )
  await until(async () => (await following()).rows.length === 2, { what: 'both to follow', deadlineMs: 20_000 })
  await emitSql(database, { topic: 'orders', key: 'other', payload: '{}' })
  const [id] = await emitSql(database, { topic: 'orders', key: 'k', payload: '{}' })
  await written.event((message) => message.id === id)
  expect(written.events().map(({ key }) => key)).toEqual(['k'])
  const topics = ['--topic', 'orders=billing', '--topic', 'mails=billing']
  const relay = startOncebox(['relay', '--json', '--transport', 'pg-boss', ...topics], database)
  const told = await published.event((message) => message.id === id)
  expect(told).toMatchObject({ topic: 'orders', key: 'k', published: { lane: 0, at: expect.any(String) } })
  expect(new Set(published.events().map(({ topic }) => topic))).toEqual(new Set(['orders']))
  for (const { process } of [relay, written, published]) process.kill('SIGTERM')
  for (const { ended } of [relay, written, published]) expect((await ended).code).toBe(0)
})
