import { until } from '@oncebox/testkit'
import { kafkaMissing, testKafka, uniqueName } from '@oncebox/testkit/harness'
import { describe, expect, test } from 'vitest'
import { consoleConsumer } from './consoleConsumer.js'
import { oncebox, startOncebox } from './oncebox.js'
import { emitSql, type MigratedDatabase, migratedDatabase } from './outbox.js'

describe.skipIf(await kafkaMissing())('oncebox relay to Kafka', { timeout: 120_000 }, () => {
  const relayFlags = async () => [
    'relay',
    '--json',
    '--create-topics',
    '3',
    '--brokers',
    (await testKafka()).brokers.join(),
  ]

  test.each([
    ['@oncebox/kafka, the default', []],
    ['kafkajs', ['--transport', 'kafkajs']],
  ])(
    "rows of select oncebox.emit(…) reach Kafka's console consumer through %s, with key, value and ce_* headers",
    async (_what, transport) => {
      await using database = await migratedDatabase()
      const topic = uniqueName('orders')
      const [id] = await emitSql(database, {
        topic,
        key: 'order-1',
        type: 'order.created',
        payload: '{"id":"order-1"}',
        headers: { tenant: 'north' },
      })
      await emitSql(database, { topic, key: 'order-2', payload: 'plain' }, 4)

      const { code, stdout } = await oncebox([...(await relayFlags()), ...transport, '--until-idle'], database)
      expect(code).toBe(0)
      const events = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { event: string; count?: number })
      expect(events[0]).toEqual({ event: 'ready', lane: 0, epoch: 1 })
      expect(events.at(-1)).toEqual({ event: 'stopped', lane: 0 })
      expect(events.reduce((sum, { event, count = 0 }) => sum + (event === 'published' ? count : 0), 0)).toBe(5)

      const records = await consoleConsumer((await testKafka()).brokers, topic, 5)
      expect(records).toHaveLength(5)
      expect(records.find(({ key }) => key === 'order-1')).toEqual({
        key: 'order-1',
        value: '{"id":"order-1"}',
        headers: {
          ce_id: id,
          ce_type: 'order.created',
          ce_source: database.name,
          ce_specversion: '1.0',
          ce_time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
          'content-type': expect.stringContaining('text/plain'),
          tenant: 'north',
        },
      })
      expect((await oncebox(['status', '--json'], database)).code).toBe(0)
    },
  )

  test('G1: SIGTERM while messages pour in ends the relay with 0 within its deadline, and nothing is lost', async () => {
    await using database = await migratedDatabase()
    const topic = uniqueName('load')
    const flags = await relayFlags()
    const relay = startOncebox([...flags, '--deadline-ms', '30000'], database)
    await relay.event(({ event }) => event === 'ready')
    const load = pour(database, topic)
    await until(() => relay.events().filter(({ event }) => event === 'published').length >= 5, {
      what: 'some publishes',
      deadlineMs: 60_000,
    })
    relay.process.kill('SIGTERM')
    const { code } = await relay.ended
    expect(code).toBe(0)
    expect(relay.events().at(-1)).toEqual({ event: 'stopped', lane: 0 })

    const emitted = await load.stop()
    expect((await oncebox([...flags, '--until-idle'], database)).code).toBe(0)
    const records = await consoleConsumer((await testKafka()).brokers, topic, emitted.length)
    const arrived = new Set(records.map(({ headers }) => headers.ce_id))
    expect(emitted.filter((id) => !arrived.has(id))).toEqual([])
  })

  test('a standby takes over within the lease after a kill, and at once after a clean stop', async () => {
    await using database = await migratedDatabase()
    const flags = await relayFlags()
    const first = startOncebox([...flags, '--lease-ms', '6000'], database)
    await first.event(({ event }) => event === 'ready')
    const second = startOncebox([...flags, '--lease-ms', '60000'], database)
    await second.event(({ event }) => event === 'standby')
    first.process.kill('SIGKILL')
    expect(await second.event(({ event }) => event === 'ready')).toEqual({ event: 'ready', lane: 0, epoch: 2 })

    const third = startOncebox(flags, database)
    await third.event(({ event }) => event === 'standby')
    second.process.kill('SIGTERM')
    // The lease has a minute to go: only giving it back explains that the third has it now.
    expect(await third.event(({ event }) => event === 'ready')).toEqual({ event: 'ready', lane: 0, epoch: 3 })
    third.process.kill('SIGINT')
    expect((await Promise.all([second.ended, third.ended])).map(({ code }) => code)).toEqual([0, 0])
  })

  test('a missing topic holds its messages, is named by status, and heals when it is created', async () => {
    await using database = await migratedDatabase()
    const topic = uniqueName('missing')
    const [id] = await emitSql(database, { topic, key: 'canary-key', payload: 'canary-payload' })
    const environment = { DATABASE_URL: database.url.replace('postgres@', 'postgres:canary-password@') }
    const brokers = (await testKafka()).brokers.join()
    const args = ['relay', '--brokers', brokers, '--until-idle', '--log-level', 'debug']

    const held = await oncebox(args, { environment })
    expect(held.code).toBe(1)
    expect(held.stdout).toBe('')
    expect(held.stderr).toContain(topic)
    expect(held.stderr).not.toMatch(/canary|postgres:\/\//)
    for (const line of held.stderr.trim().split('\n')) expect(() => JSON.parse(line)).not.toThrow()
    const status = await oncebox(['status'], { environment })
    expect(status.code).toBe(1)
    expect(status.stdout).toContain(topic)

    const healed = startOncebox(['relay', '--json', '--brokers', brokers, '--create-topics', '1'], { environment })
    await healed.event(({ event }) => event === 'released' || event === 'published', 30_000)
    healed.process.kill('SIGTERM')
    expect((await healed.ended).code).toBe(0)
    expect((await consoleConsumer([brokers], topic, 1)).map(({ headers }) => headers.ce_id)).toEqual([id])
  })
})

/** Emits small transactions until stopped; resolves then with every id that was committed. */
function pour(database: MigratedDatabase, topic: string): { stop(): Promise<string[]> } {
  const ids: string[] = []
  let going = true
  const running = (async () => {
    for (let n = 0; going; n++) ids.push(...(await emitSql(database, { topic, key: `k${n % 7}`, payload: `${n}` }, 3)))
  })()
  return {
    async stop() {
      going = false
      await running
      return ids
    },
  }
}
