import { until } from '@oncebox/testkit'
import { kafkaMissing, testDatabase, testKafka } from '@oncebox/testkit/harness'
import kafkaClient from 'kafkajs'
import { describe, expect, test } from 'vitest'
import { oncebox, startOncebox } from './oncebox.js'

const name = /oncebox_bench_[0-9a-f]{12}/

describe.skipIf(await kafkaMissing())('oncebox bench', { timeout: 120_000 }, () => {
  const environment = async (url: string) => ({
    DATABASE_URL: url,
    KAFKA_BROKERS: (await testKafka()).brokers.join(),
  })

  /** Schema and topic of a run; both have to be gone. */
  async function left(pool: { query(text: string): Promise<{ rows: { nspname: string }[] }> }, own: string) {
    const { rows } = await pool.query(`select nspname from pg_namespace where nspname like 'oncebox%'`)
    const { brokers } = await testKafka()
    const admin = new kafkaClient.Kafka({ brokers, logLevel: kafkaClient.logLevel.NOTHING }).admin()
    await admin.connect()
    const topics = await admin.listTopics()
    await admin.disconnect()
    return [...rows.map(({ nspname }) => nspname), ...topics.filter((topic) => topic === own)]
  }

  test('measures on servers of the user, and leaves neither schema nor topic', async () => {
    await using database = await testDatabase()
    const { code, stdout, stderr } = await oncebox(['bench', '--messages', '2500', '--json'], {
      environment: await environment(database.url),
    })
    expect(code, stderr).toBe(0)
    const speed = { perSecond: expect.any(Number), cpuUsPerMessage: expect.any(Number) }
    expect(JSON.parse(stdout)).toEqual({
      messages: 2_500,
      drain: speed,
      read: speed,
      produce: speed,
      write: { withoutMessage: expect.any(Number), withMessage: expect.any(Number), ratio: expect.any(Number) },
      latency: { perSecond: 200, p50Ms: expect.any(Number), p99Ms: expect.any(Number) },
    })
    const [own = ''] = name.exec(stderr) ?? []
    expect(own).not.toBe('')
    expect(await left(database.pool, own)).toEqual([])
  })

  test('removes them when it is interrupted, too', async () => {
    await using database = await testDatabase()
    const running = startOncebox(['bench', '--messages', '1000000'], { environment: await environment(database.url) })
    await until(() => running.stderr().includes('filling the outbox'), { what: 'the filling', deadlineMs: 30_000 })
    const [own = ''] = name.exec(running.stderr()) ?? []
    expect(await left(database.pool, own)).toEqual([own, own])
    running.process.kill('SIGINT')
    const { code, stdout, stderr } = await running.ended
    expect({ code, stdout }, stderr).toEqual({ code: 130, stdout: '' })
    expect(await left(database.pool, own)).toEqual([])
  })

  test('works with @oncebox/kafka only, and says so', async () => {
    await using database = await testDatabase()
    const { code, stderr } = await oncebox(['bench', '--transport', 'kafkajs'], {
      environment: await environment(database.url),
    })
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('--transport kafka, not kafkajs') })
  })
})
