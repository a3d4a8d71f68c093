import { createServer } from 'node:net'
import { startKafka, startProxy, until } from '@oncebox/testkit'
import { kafkaMissing } from '@oncebox/testkit/harness'
import { describe, expect, onTestFinished, test } from 'vitest'
import { jsonLines, oncebox, type Running, startOncebox } from './oncebox.js'
import { emitSql, migratedDatabase } from './outbox.js'

const boss = ['relay', '--json', '--transport', 'pg-boss', '--topic', 'orders=billing']

/** Resolves with the port that the relay says it serves at. */
async function servedPort(relay: Running): Promise<number> {
  const line = await until(
    () => {
      const whole = relay.stderr().slice(0, relay.stderr().lastIndexOf('\n') + 1)
      return jsonLines(whole).find(({ msg }) => String(msg).startsWith('serving /livez'))
    },
    { what: 'the relay to serve', deadlineMs: 30_000 },
  )
  expect(line.host).toBe('127.0.0.1')
  return Number(line.port)
}

test('a relay is alive all along, ready while it can do its work, and not while Postgres is away', async () => {
  const database = await migratedDatabase()
  onTestFinished(() => database.drop())
  const url = new URL(database.url)
  const proxy = await startProxy({ target: { host: url.hostname, port: Number(url.port) } })
  onTestFinished(() => proxy.close())
  url.port = String(proxy.port)
  url.password = 'canary-password'
  const relay = startOncebox([...boss, '--http-port', '0'], { environment: { DATABASE_URL: url.href } })
  const port = await servedPort(relay)
  const get = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`)
    return { status: response.status, text: await response.text() }
  }
  const becomes = (status: number) =>
    until(async () => (await get('/readyz')).status === status, {
      what: `/readyz to say ${status}`,
      deadlineMs: 30_000,
    })

  await becomes(200)
  await emitSql(database, { topic: 'orders', key: 'canary-key', payload: 'canary-payload' }, 3)
  await relay.event(({ event }) => event === 'published')
  const text = await until(
    async () => {
      const { text } = await get('/metrics')
      return /^oncebox_database_readable\{part="lanes"\} 1$/m.test(text) ? text : undefined
    },
    { what: 'metrics with those of the database', deadlineMs: 30_000 },
  )
  expect(text).toMatch(/^oncebox_relay_published_messages_total\{lane="0"\} 3$/m)
  expect(text).toMatch(/^oncebox_relay_holds_lease\{lane="0"\} 1$/m)
  expect(text).toMatch(/^oncebox_lane_held\{lane="0"\} 1$/m)
  expect(text).toMatch(/^process_cpu_seconds_total /m)
  expect(text).toMatch(/^# EOF$/m)
  expect(text).not.toContain('canary')

  // Statements hang: nobody says that the database is gone, and the relay still thinks that it holds the lease.
  proxy.pause()
  await becomes(503)
  expect((await get('/livez')).status).toBe(200)
  const away = await get('/readyz')
  expect(away.text).toContain('database: does not answer')
  expect(away.text).not.toContain('canary')
  proxy.resume()
  await becomes(200)

  relay.process.kill('SIGTERM')
  expect((await relay.ended).code).toBe(0)
}, 90_000)

describe.skipIf(await kafkaMissing())('without Kafka', { timeout: 180_000 }, () => {
  test('a relay lives on, says that it cannot do its work, and is ready again when Kafka is back', async () => {
    await using database = await migratedDatabase()
    const kafka = await startKafka()
    onTestFinished(() => kafka.remove())
    const flags = ['--create-topics', '1', '--brokers', kafka.brokers.join(), '--http-port', '0']
    const relay = startOncebox(['relay', '--json', ...flags], database)
    const port = await servedPort(relay)
    const get = (path: string) => fetch(`http://127.0.0.1:${port}${path}`)
    const becomes = (status: number) =>
      until(async () => (await get('/readyz')).status === status, {
        what: `/readyz to say ${status}`,
        deadlineMs: 60_000,
      })
    await emitSql(database, { topic: 'orders', key: 'o-1', payload: 'first' })
    await relay.event(({ event }) => event === 'published')
    await becomes(200)
    // Offsets of groups are not the relay's to read, and a part that nobody may read is told of.
    const parts = await until(
      async () => {
        const text = await (await get('/metrics')).text()
        return /readable\{part="unread"\}/.test(text) ? text : undefined
      },
      { what: 'metrics with what is asked of the brokers', deadlineMs: 30_000 },
    )
    expect(parts).toMatch(/^oncebox_database_readable\{part="unread"\} 0$/m)

    await kafka.kill()
    await emitSql(database, { topic: 'orders', key: 'o-1', payload: 'second' })
    const unacknowledged = /^relay: lane 0 gets no acknowledgement for \d+ s$/m
    await until(async () => unacknowledged.test(await (await get('/readyz')).text()), {
      what: '/readyz to say that nothing is acknowledged',
      deadlineMs: 60_000,
    })
    expect((await get('/readyz')).status).toBe(503)
    expect((await get('/livez')).status).toBe(200)
    expect(relay.process.exitCode).toBeNull()

    await kafka.start()
    await becomes(200)
    // Released, where Kafka was away for so long that it was moved aside.
    const sent = () => relay.events().filter(({ event }) => event === 'published' || event === 'released')
    await until(() => sent().length === 2, { what: 'the second message', deadlineMs: 90_000 })
  })
})

test('an address that cannot be listened at is a usage error, and nothing is published', async () => {
  await using database = await migratedDatabase()
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void taken.close())
  const { port } = taken.address() as { port: number }
  const { code, stdout, stderr } = await oncebox([...boss, '--http-port', String(port)], database)
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(jsonLines(stderr).at(-1)).toMatchObject({
    code: 'INVALID_SETTING',
    next: expect.stringContaining('--http-port'),
  })
  expect((await oncebox([...boss, '--http-port', '65536'], database)).code).toBe(2)
})
