import { kafkajs } from '@oncebox/kafkajs'
import { kafkaMissing, testKafka, uniqueName } from '@oncebox/testkit/harness'
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
    stdout: expect.stringMatching(/^ *lane +messages +oldest\n0 +3 +12\d\.\d s$/m),
  })
  expect((await oncebox(['lag'], database)).code).toBe(1)
})

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
  })
})
