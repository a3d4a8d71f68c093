import { kafkajs } from '@oncebox/kafkajs'
import { kafkaMissing, testKafka, uniqueName } from '@oncebox/testkit/harness'
import { describe, expect, onTestFinished, test } from 'vitest'
import { jsonLines, oncebox } from './oncebox.js'
import { emitSql, type MigratedDatabase, migratedDatabase } from './outbox.js'
import { publishBy } from './publishBy.js'

interface Verified {
  readonly written: number
  readonly waiting: number
  readonly published: number
  readonly groups: readonly object[]
  readonly discrepancies: readonly { readonly code: string; readonly id: string }[]
}

async function verified(
  database: MigratedDatabase,
  ...args: string[]
): Promise<Verified & { readonly code: number | null }> {
  const { brokers } = await testKafka()
  const { code, stdout, stderr } = await oncebox(['verify', '--json', '--brokers', brokers.join(), ...args], database)
  expect(stderr).toBe('')
  expect(stdout).not.toContain('canary')
  return { code, ...(jsonLines(stdout)[0] as unknown as Verified) }
}

const found = ({ discrepancies }: Verified) => discrepancies.map(({ code, id }) => `${code} ${id}`).sort()

describe.skipIf(await kafkaMissing())('oncebox verify on a real Kafka', { timeout: 120_000 }, () => {
  test.each(['kafka', 'kafkajs'])('a clean run has no discrepancies, through %s', async (transport) => {
    await using database = await migratedDatabase()
    const { brokers } = await testKafka()
    const topics = [uniqueName('clean'), uniqueName('clean')]
    for (let n = 0; n < 300; n++) {
      await emitSql(database, {
        topic: topics[n % 2] as string,
        key: n % 3 === 0 ? null : `k${n % 7}`,
        payload: 'canary',
      })
    }
    await oncebox(
      ['relay', '--until-idle', '--create-topics', '3', '--brokers', brokers.join(), '--log-level', 'warn'],
      database,
    )
    await emitSql(database, { topic: topics[0] as string, key: 'k', payload: 'canary' })
    const result = await verified(database, '--transport', transport)
    expect(result).toMatchObject({ code: 0, written: 301, waiting: 1, published: 300, discrepancies: [] })
  })

  test('every planted fault is named by id: lost, unknown, duplicated, out of order, passed without being handled', async () => {
    await using database = await migratedDatabase()
    await using consumer = await migratedDatabase()
    const { brokers } = await testKafka()
    const transport = kafkajs({ brokers })
    onTestFinished(() => transport.close())
    const topic = uniqueName('faults')
    await transport.createTopic(topic, 1)
    const emit = async (type: string) =>
      (await emitSql(database, { topic, key: 'k', type, payload: 'canary' }))[0] as string
    const [first, second, third, lost, unknown, unhandled, ignored, ahead] = [
      await emit('made'),
      await emit('made'),
      await emit('made'),
      await emit('made'),
      await emit('made'),
      await emit('made'),
      await emit('no handler'),
      await emit('made'),
    ]
    await publishBy(transport, database, topic, [first, third, second, second, unknown, unhandled, ignored, ahead])
    await database.pool.query('DELETE FROM oncebox.outbox WHERE id = $1', [unknown])
    // The group has handled what it has passed, but one; the last record it has yet to read.
    await consumer.pool.query(
      `INSERT INTO oncebox.consumer_offset (consumer, topic, partition, next_offset) VALUES ('billing', $1, 0, 7)`,
      [topic],
    )
    for (const id of [first, second, third, unknown]) {
      await consumer.pool.query(`INSERT INTO oncebox.inbox VALUES ('billing', $1)`, [id])
    }
    const result = await verified(database, '--consumer-url', consumer.url)
    expect(result.code).toBe(1)
    expect(found(result)).toEqual(
      [
        `DUPLICATED ${second}`,
        `LOST ${lost}`,
        `NOT_HANDLED ${unhandled}`,
        `OUT_OF_ORDER ${second}`,
        `UNKNOWN ${unknown}`,
      ].sort(),
    )
    expect(result.groups).toEqual([{ group: 'billing', topic, passed: 5 }])
    const text = await oncebox(['verify', '--brokers', brokers.join()], database)
    expect(text.code).toBe(1)
    expect(text.stdout).toContain(`LOST: ${lost} of ${topic}, position 4`)
    // What was written before the range is not looked at.
    await database.pool.query(`UPDATE oncebox.outbox SET created_at = created_at - interval '2 hours'`)
    expect(await verified(database)).toMatchObject({ code: 0, written: 0 })
  })

  test('without brokers, or with pg-boss, it is wrong usage', async () => {
    await using database = await migratedDatabase()
    for (const args of [
      [],
      ['--transport', 'pg-boss', '--topic', 'orders=billing'],
      ['--since', '1h', '--until', '2h'],
    ]) {
      expect(await oncebox(['verify', ...args], database)).toMatchObject({ code: 2, stdout: '' })
    }
  })
})
