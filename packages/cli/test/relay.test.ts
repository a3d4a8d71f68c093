import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startProxy, until } from '@oncebox/testkit'
import { testDatabase } from '@oncebox/testkit/harness'
import { describe, expect, onTestFinished, test } from 'vitest'
import { jsonLines, oncebox, startOncebox } from './oncebox.js'
import { emitSql, migratedDatabase } from './outbox.js'

const nobody = 'postgres://somebody:canary-password@127.0.0.1:1/shop'

describe('a transport that cannot be used is a usage error, before anything is connected', () => {
  test.each([
    ['none at all', []],
    ['kafka without brokers', ['--transport', 'kafka']],
    ['kafkajs without brokers', ['--transport', 'kafkajs']],
    ['one that there is not', ['--transport', 'rabbitmq', '--brokers', '127.0.0.1:1']],
    ['a broker without a port', ['--brokers', '127.0.0.1']],
    ['a broker as a URL', ['--brokers', 'kafka://user:canary-password@127.0.0.1:9092']],
    ['a port that there is not', ['--brokers', '127.0.0.1:65536']],
    ['pg-boss without groups', ['--transport', 'pg-boss']],
    ['a topic without a group', ['--transport', 'pg-boss', '--topic', 'orders=']],
    ['groups for Kafka', ['--brokers', '127.0.0.1:1', '--topic', 'orders=billing']],
    ['a client certificate without its key', ['--brokers', '127.0.0.1:1', '--tls-cert', 'client.pem']],
    ['an authority that is no file', ['--brokers', '127.0.0.1:1', '--tls-ca', '/nowhere/ca.pem']],
    ['SASL without a password', ['--brokers', '127.0.0.1:1', '--sasl-mechanism', 'plain', '--sasl-username', 'me']],
    ['a SASL user without a mechanism', ['--brokers', '127.0.0.1:1', '--sasl-username', 'me']],
    ['a lease below a second', ['--brokers', '127.0.0.1:1', '--lease-ms', '999']],
    ['no partitions', ['--brokers', '127.0.0.1:1', '--create-topics', '0']],
  ])('%s', async (_what, args) => {
    const { code, stdout, stderr } = await oncebox(['relay', '--database-url', nobody, ...args])
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).not.toBe('')
    expect(stderr).not.toContain('canary-password')
  })
})

test('a SASL password is never sent in the clear, and never printed', async () => {
  await using database = await migratedDatabase()
  const environment = { ...database.environment, KAFKA_SASL_PASSWORD: 'canary-password' }
  const { code, stdout, stderr } = await oncebox(
    ['relay', '--brokers', '127.0.0.1:1', '--sasl-mechanism', 'plain', '--sasl-username', 'me', '--log-level', 'debug'],
    { environment },
  )
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toContain('in the clear')
  expect(stderr).not.toContain('canary-password')
})

test('brokers that nobody listens at are named with host and port, and the exit code is 3', async () => {
  await using database = await migratedDatabase()
  const directory = mkdtempSync(join(tmpdir(), 'oncebox-test-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  writeFileSync(join(directory, 'ca.pem'), '')
  const environment = { ...database.environment, KAFKA_SASL_PASSWORD: 'canary-password' }
  const secured = ['--tls', '--sasl-mechanism', 'scram-sha-256', '--sasl-username', 'me']
  for (const flags of [[], secured]) {
    const { code, stdout, stderr } = await oncebox(
      ['relay', '--json', '--brokers', '127.0.0.1:1,127.0.0.1:2', ...flags],
      {
        environment,
      },
    )
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' })
    const lines = jsonLines(stderr)
    expect(lines.at(-1)).toMatchObject({ level: 'error', code: 'TRANSPORT_UNREACHABLE' })
    expect(lines.at(-1)?.msg).toContain('Cannot reach Kafka at 127.0.0.1:1, 127.0.0.1:2')
    expect(stderr).not.toMatch(/canary/)
  }
}, 60_000)

test('a database without the schema is a problem with its cure', async () => {
  await using database = await testDatabase()
  const { code, stderr } = await oncebox(['relay', '--transport', 'pg-boss', '--topic', 'orders=billing'], {
    environment: { DATABASE_URL: database.url },
  })
  expect(code).toBe(1)
  expect(jsonLines(stderr).at(-1)).toMatchObject({ code: 'SCHEMA_NOT_MIGRATED', next: 'Run "oncebox migrate".' })
})

test('through pg-boss every group of a topic gets every message, from a schema of any name', async () => {
  const schema = 'Bob\'s "out;box"'
  await using database = await testDatabase()
  const environment = { DATABASE_URL: database.url, ONCEBOX_SCHEMA: schema }
  expect((await oncebox(['migrate'], { environment })).code).toBe(0)
  await database.pool.query(
    `select "Bob's ""out;box""".emit('orders', 'k', 'test', n::text) from generate_series(1, 20) as n`,
  )
  const args = ['relay', '--json', '--until-idle', '--transport', 'pg-boss', '--topic', 'orders=billing,audit']
  const { code, stdout } = await oncebox(args, { environment })
  expect(code).toBe(0)
  expect(jsonLines(stdout).map(({ event }) => event)).toEqual(['ready', 'published', 'stopped'])
  const { rows } = await database.pool.query<{ name: string; jobs: number }>(
    `select name, count(*)::int as jobs from pgboss.job group by name order by name`,
  )
  expect(rows).toEqual([
    { name: 'orders.audit', jobs: 20 },
    { name: 'orders.billing', jobs: 20 },
  ])
})

test('without --json the events are lines of the log on stderr, and stdout stays empty', async () => {
  await using database = await migratedDatabase()
  await emitSql(database, { topic: 'orders', key: 'canary-key', payload: 'canary-payload' }, 3)
  const relay = startOncebox(['relay', '--transport', 'pg-boss', '--topic', 'orders=billing', '--until-idle'], database)
  const { code, stdout, stderr } = await relay.ended
  expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
  expect(jsonLines(stderr)).toEqual([
    expect.objectContaining({ level: 'info', lane: 0, epoch: 1 }),
    expect.objectContaining({ level: 'info', lane: 0, published: 3, msg: 'the relay stopped' }),
  ])
  expect(stderr).not.toMatch(/canary/)
})

describe('a stop that cannot come to its end, because the database no longer answers', () => {
  const boss = ['relay', '--json', '--transport', 'pg-boss', '--topic', 'orders=billing']

  const frozenRelay = async (deadlineMs: number) => {
    const database = await migratedDatabase()
    onTestFinished(() => database.drop())
    const url = new URL(database.url)
    const proxy = await startProxy({ target: { host: url.hostname, port: Number(url.port) } })
    onTestFinished(() => proxy.close())
    url.port = String(proxy.port)
    url.password = 'canary-password'
    const relay = startOncebox([...boss, '--deadline-ms', String(deadlineMs)], {
      environment: { DATABASE_URL: url.href },
    })
    await relay.event(({ event }) => event === 'ready')
    proxy.pause()
    relay.process.kill('SIGTERM')
    await until(() => relay.stderr().includes('stopping'), { what: 'the relay to hear the signal' })
    return relay
  }

  test('is given up at the deadline, with exit code 1', async () => {
    const { code, stderr } = await (await frozenRelay(300)).ended
    expect(code).toBe(1)
    expect(jsonLines(stderr)).toContainEqual(expect.objectContaining({ code: 'STOP_DEADLINE_PASSED' }))
    expect(stderr).not.toContain('canary')
  })

  test('is ended at once by a second signal', async () => {
    const relay = await frozenRelay(60_000)
    relay.process.kill('SIGINT')
    expect((await relay.ended).code).toBe(130)
  })
})

test('a relay that is told to stop while it is still connecting ends with 0', async () => {
  await using database = await migratedDatabase()
  const silent = await startProxy({ target: { host: '127.0.0.1', port: Number(new URL(database.url).port) } })
  onTestFinished(() => silent.close())
  silent.pause()
  const relay = startOncebox(['relay', '--brokers', `127.0.0.1:${silent.port}`], database)
  await until(() => silent.connections > 0, { what: 'the relay to connect' })
  relay.process.kill('SIGTERM')
  expect((await relay.ended).code).toBe(0)
})
