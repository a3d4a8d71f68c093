import { existsSync } from 'node:fs'
import { type KafkaServer, startKafka } from '@oncebox/testkit'
import { kafkaMissing, testKafka } from '@oncebox/testkit/harness'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

describe.skipIf(await kafkaMissing())('Kafka', () => {
  let kafka: KafkaServer

  beforeAll(async () => {
    kafka = await startKafka()
  }, 120_000)
  afterAll(async () => {
    await kafka?.remove()
    expect(kafka && existsSync(kafka.dataDirectory)).toBe(false)
  })

  async function tool(mainClass: string, args: string[], input = ''): Promise<string> {
    const result = await kafka.runTool(mainClass, ['--bootstrap-server', String(kafka.brokers[0]), ...args], { input })
    expect(result).toMatchObject({ exitCode: 0 })
    return result.stdout
  }
  const consume = (count: number): Promise<string> =>
    tool('org.apache.kafka.tools.consumer.ConsoleConsumer', [
      ...['--topic', 'orders', '--from-beginning', '--max-messages', String(count), '--timeout-ms', '20000'],
    ])

  test('keeps its data when it is killed, and its port', async () => {
    await tool('org.apache.kafka.tools.TopicCommand', ['--create', '--topic', 'orders', '--partitions', '2'])
    await tool('org.apache.kafka.tools.ConsoleProducer', ['--topic', 'orders'], 'before\n')
    await kafka.kill()
    expect(kafka.pid).toBeUndefined()
    await kafka.start()
    await tool('org.apache.kafka.tools.ConsoleProducer', ['--topic', 'orders'], 'after\n')
    expect((await consume(2)).split('\n').sort()).toEqual(['', 'after', 'before'])
  }, 180_000)

  test('stops in order and starts again', async () => {
    await kafka.stop()
    await kafka.start()
    expect(await consume(1)).toMatch(/before|after/)
  }, 180_000)

  test('does not create topics by itself', async () => {
    expect(await tool('org.apache.kafka.tools.TopicCommand', ['--list'])).not.toContain('unknown')
    await kafka.runTool('org.apache.kafka.tools.ConsoleProducer', [
      ...['--bootstrap-server', String(kafka.brokers[0]), '--topic', 'unknown'],
      ...['--producer-property', 'max.block.ms=2000'],
    ])
    expect(await tool('org.apache.kafka.tools.TopicCommand', ['--list'])).not.toContain('unknown')
  })

  test('is one for all test files in testKafka()', async () => {
    const [first, second] = await Promise.all([testKafka(), testKafka()])
    expect(first).toEqual(second)
    expect(first.brokers[0]).toMatch(/:\d+$/)
  }, 180_000)
})
