import { testDatabase } from '@oncebox/testkit/harness'
import { expect, test } from 'vitest'
import { jsonLines, oncebox } from './oncebox.js'
import { emitSql, migratedDatabase } from './outbox.js'

interface Found {
  readonly databases: readonly {
    readonly database: string
    readonly checks: readonly {
      readonly check: string
      readonly state: string
      readonly findings: readonly { readonly code: string; readonly severity: string }[]
    }[]
  }[]
  readonly problems: number
}

const codesOf = ({ databases }: Found) =>
  databases.map(({ checks }) =>
    checks.flatMap(({ findings }) => findings.filter(({ severity }) => severity === 'problem').map(({ code }) => code)),
  )

test('doctor names what is wrong in every database it is given, why it matters and what to type; exit 1', async () => {
  await using producer = await migratedDatabase()
  await using consumer = await migratedDatabase()
  await emitSql(producer, { topic: 'orders', key: 'canary-key', payload: 'canary-payload' })
  await consumer.pool.query(`
    INSERT INTO oncebox.dead_letter (record_time, partition, attempts, consumer, source, message_id, topic, type, reason, headers)
      VALUES (now(), 0, 8, 'billing', 's', '1', 'orders', 'y', 'HANDLER_FAILED', '[]')`)
  const args = ['doctor', '--consumer-url', consumer.url, '--open', '1h']
  const { code, stdout, stderr } = await oncebox([...args, '--json'], producer)
  expect({ code, stderr }).toEqual({ code: 1, stderr: '' })
  const [found] = jsonLines(stdout) as unknown as Found[]
  // The tests' server runs without fsync.
  expect(codesOf(found as Found)).toEqual([
    ['NO_RELAY', 'COMMITS_NOT_DURABLE'],
    ['DEAD_LETTERS', 'COMMITS_NOT_DURABLE'],
  ])
  expect(found?.problems).toBe(4)
  expect(found?.databases[1]?.database).toContain(`/${consumer.name}`)

  const text = await oncebox(args, producer)
  expect(text.code).toBe(1)
  expect(text.stdout).toMatch(/^ {2}PROBLEM {2}a relay holds every lane, and keeps up$/m)
  expect(text.stdout).toMatch(/^ {2}skipped {2}topics exist \(not checked: no brokers are given\)$/m)
  expect(text.stdout).toMatch(
    /^NO_RELAY: No relay publishes lane 0: 1 message waiting.*\n {2}why {3}.*\n {2}next {2}Start "oncebox relay"/m,
  )
  expect(stdout + text.stdout).not.toMatch(/canary|postgres:\/\//)
})

test('doctor of a database without the schema says what to run', async () => {
  await using database = await testDatabase()
  const { code, stdout } = await oncebox(['doctor'], { environment: { DATABASE_URL: database.url } })
  expect(code).toBe(1)
  expect(stdout).toContain('next  Run "oncebox migrate".')
})

test('a consumer database that nobody answers for is exit 3, and its password is not shown', async () => {
  await using database = await migratedDatabase()
  const nobody = 'postgres://somebody:canary-password@127.0.0.1:1/shop'
  const { code, stdout, stderr } = await oncebox(['doctor', '--consumer-url', nobody], database)
  expect({ code, stdout }).toEqual({ code: 3, stdout: '' })
  expect(stderr).toContain('127.0.0.1:1')
  expect(stderr).not.toMatch(/canary-password|somebody/)
})
