import { defaultRoles } from '@oncebox/schema'
import { testDatabase } from '@oncebox/testkit/harness'
import { expect, test } from 'vitest'
import { jsonLines, oncebox, startOncebox } from './oncebox.js'
import { emitSql, migratedDatabase } from './outbox.js'

test('status of a fresh schema is fine, in the shape of the contract, and nothing but JSON is on stdout', async () => {
  await using database = await migratedDatabase()
  const { code, stdout, stderr } = await oncebox(['status', '--json'], database)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const [status, ...rest] = jsonLines(stdout)
  expect(rest).toEqual([])
  expect(Object.keys(status ?? {})).toEqual(['schemaVersion', 'lanes', 'leaves', 'consumers', 'paused', 'problems'])
  expect(status).toMatchObject({
    schemaVersion: expect.any(Number),
    lanes: [{ lane: 0, holder: null, epoch: 0, waiting: 0, waitingExact: true, oldestSeconds: null, parked: 0 }],
    consumers: [],
    problems: [],
  })
})

test('messages that wait while no relay runs are a problem: exit 1, with what to do', async () => {
  await using database = await migratedDatabase()
  await emitSql(database, { topic: 'orders', key: 'canary-key', payload: 'canary-payload' }, 3)

  const asJson = await oncebox(['status', '--json'], database)
  expect(asJson.code).toBe(1)
  expect(jsonLines(asJson.stdout)[0]).toMatchObject({
    lanes: [{ waiting: 3, waitingExact: true }],
    problems: [{ code: 'NO_RELAY', what: expect.any(String), next: expect.stringContaining('oncebox relay') }],
  })
  const asText = await oncebox(['status'], database)
  expect(asText.code).toBe(1)
  expect(asText.stdout).toMatch(/NO_RELAY: .*3 messages waiting/)
  for (const { stdout, stderr } of [asJson, asText]) expect(stdout + stderr).not.toMatch(/canary/)
})

test('status of a database without the schema says what to run', async () => {
  await using database = await testDatabase()
  const { code, stdout } = await oncebox(['status'], { environment: { DATABASE_URL: database.url } })
  expect(code).toBe(1)
  expect(stdout).toContain('Run "oncebox migrate".')
})

test('status behind a lock, or of a user who may not read it, ends and says what to do', async () => {
  await using database = await migratedDatabase()
  const locking = await database.pool.connect()
  try {
    await locking.query('BEGIN; LOCK TABLE oncebox.outbox_0')
    const locked = await oncebox(['status', '--json'], database)
    expect(locked).toMatchObject({ code: 1, stdout: '' })
    expect(jsonLines(locked.stderr)).toMatchObject([{ code: '55P03', next: expect.stringContaining('oncebox doctor') }])
  } finally {
    locking.release(true)
  }
  const url = database.urlAs(defaultRoles().consumer)
  const refused = await oncebox(['status', '--json'], { environment: { DATABASE_URL: url } })
  expect(refused).toMatchObject({ code: 1, stdout: '' })
  expect(jsonLines(refused.stderr)).toMatchObject([
    {
      code: '42501',
      msg: expect.stringContaining('permission denied'),
      next: expect.stringContaining('oncebox_viewer'),
    },
  ])
})

test('status --watch shows it again until SIGINT, and ends with the last account as its exit code', async () => {
  await using database = await migratedDatabase()
  const watching = startOncebox(['status', '--watch', '--json'], database)
  await watching.event((line) => (line.problems as unknown[]).length === 0)
  await emitSql(database, { topic: 'orders', key: 'a', payload: '{}' })
  await watching.event((line) => (line.problems as unknown[]).length === 1)
  watching.process.kill('SIGINT')
  expect((await watching.ended).code).toBe(1)
})
