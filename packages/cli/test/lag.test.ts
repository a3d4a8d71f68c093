import { kafkaInspector } from '@oncebox/kafka'
import { kafkajs, kafkajsInspector } from '@oncebox/kafkajs'
import { until } from '@oncebox/testkit'
import { kafkaMissing, testKafka, uniqueName } from '@oncebox/testkit/harness'
import { prometheusMetrics } from 'oncebox/metrics'
import { describe, expect, onTestFinished, test } from 'vitest'
import { jsonLines, oncebox } from './oncebox.js'
import { emitSql, migratedDatabase } from './outbox.js'

test('lag of the relay in messages and seconds; exit 1 once something waits for too long', async () => {
  await using database = await migratedDatabase()
  const quiet = await oncebox(['lag', '--json'], database)
  expect(quiet).toMatchObject({ code: 0, stderr: '' })
  expect(jsonLines(quiet.stdout)).toEqual([
    { lanes: [{ lane: 0, messages: 0, exact: true, seconds: null }], consumers: [] },
  ])
  await emitSql(database, { topic: 'orders', key: 'a', payload: '{}' }, 3)
  await database.pool.query(`UPDATE oncebox.outbox SET created_at = created_at - interval '2 minutes'`)
  expect(await oncebox(['lag', '--over', '5m'], database)).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^ *lane +messages +oldest\n0 +3 +1[2-9]\d\.\d s$/m),
  })
  const late = await oncebox(['lag'], database)
  expect(late.code).toBe(1)
  expect(late.stdout).toMatch(
    /^Lane 0: the oldest message has waited 1[2-9]\d\.\d s .*"oncebox status".*"oncebox doctor"/m,
  )
  expect(late.stdout).toContain('give --consumer-url')
})

test('without an answer from the brokers, lag tells what the database knows, and exits with 3', async () => {
  await using database = await migratedDatabase()
  await emitSql(database, { topic: 'orders', key: 'a', payload: '{}' })
  await database.pool.query(
    `INSERT INTO oncebox.consumer_offset (consumer, topic, partition, next_offset) VALUES ('billing', 'orders', 0, 7)`,
  )
  const { code, stdout, stderr } = await oncebox(['lag', '--json', '--brokers', '127.0.0.1:1'], database)
  expect(code).toBe(3)
  expect(jsonLines(stdout)).toMatchObject([
    { lanes: [{ lane: 0, messages: 1 }], consumers: [{ group: 'billing', nextOffset: '7', endOffset: null }] },
  ])
  expect(jsonLines(stderr).at(-1)).toMatchObject({ code: 'TRANSPORT_UNREACHABLE', next: expect.any(String) })
}, 60_000)

describe.skipIf(await kafkaMissing())('with a real Kafka', { timeout: 120_000 }, () => {
  test('lag of consumers, also in another database', async () => {
    await using producer = await migratedDatabase()
    await using consumer = await migratedDatabase()
    const { brokers } = await testKafka()
    const transport = kafkajs({ brokers })
    onTestFinished(() => transport.close())
    const topic = uniqueName('lag')
    await transport.createTopic(topic, 1)
    const record = { topic, partition: 0, key: null, value: Buffer.from('x'), headers: [] }
    await transport.publish([record, record, record])
    await consumer.pool.query(
      `INSERT INTO oncebox.consumer_offset (consumer, topic, partition, next_offset) VALUES ('billing', $1, 0, 1)`,
      [topic],
    )
    const args = ['lag', '--consumer-url', consumer.url, '--json']
    const unknown = jsonLines((await oncebox(args, producer)).stdout)[0]?.consumers
    expect(unknown).toMatchObject([{ group: 'billing', nextOffset: '1', messages: null, seconds: null }])
    const known = jsonLines((await oncebox([...args, '--brokers', brokers.join()], producer)).stdout)[0]?.consumers
    expect(known).toMatchObject([
      { group: 'billing', topic, partition: 0, nextOffset: '1', endOffset: '3', messages: 2 },
    ])
    // The metric is the same number, through either client.
    for (const inspector of [kafkaInspector({ brokers }), kafkajsInspector({ brokers })]) {
      const metrics = prometheusMetrics()
      metrics.database({ tx: consumer.pool, inspector, deadlineMs: 60_000 })
      expect(await metrics.text()).toContain(`oncebox_group_unread_messages{group="billing",topic="${topic}"} 2\n`)
      await inspector.close()
    }
    const lateArgs = ['lag', '--over', '1s', '--consumer-url', consumer.url, '--brokers', brokers.join()]
    const late = await until(
      async () => {
        const ended = await oncebox(lateArgs, producer)
        return ended.code === 1 ? ended : undefined
      },
      { what: 'the records to be a second old', deadlineMs: 60_000 },
    )
    expect(late.stdout).toContain(`Group billing: offset 1 of ${topic}/0 has waited`)
  })
})
