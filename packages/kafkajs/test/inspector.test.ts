import { kafkajs, kafkajsInspector } from '@oncebox/kafkajs'
import { startProxy } from '@oncebox/testkit'
import { kafkaMissing, testKafka, uniqueName } from '@oncebox/testkit/harness'
import { inspectorConformance } from '@oncebox/transport/conformance'
import kafkaClient from 'kafkajs'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'

const { Kafka, logLevel } = kafkaClient

describe.skipIf(await kafkaMissing())('what a real Kafka says about its topics, through kafkajs', () => {
  beforeAll(testKafka, 120_000)

  inspectorConformance(async () => {
    const { brokers } = await testKafka()
    return {
      inspector: () => kafkajsInspector({ brokers }),
      unreachable: () => kafkajsInspector({ brokers: ['127.0.0.1:1'], connectionTimeoutMs: 500 }),
      missingTopic: () => uniqueName('missing'),
      async createTopic(partitions, settings) {
        const topic = uniqueName('inspected')
        const admin = new Kafka({ brokers, logLevel: logLevel.NOTHING }).admin()
        await admin.connect()
        const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }))
        await admin.createTopics({
          topics: [{ topic, numPartitions: partitions, replicationFactor: 1, configEntries }],
        })
        await admin.disconnect()
        return topic
      },
      async publish(topic, partition, count) {
        const transport = kafkajs({ brokers })
        const record = { topic, partition, key: null, value: Buffer.from('x'), headers: [] }
        await transport.publish(Array.from({ length: count }, () => record))
        await transport.close()
      },
    }
  })

  test('brokers that were away when it was first asked are asked again', async () => {
    const [host = '', port] = ((await testKafka()).brokers[0] ?? '').split(':')
    const wire = await startProxy({ target: { host, port: Number(port) } })
    onTestFinished(() => wire.close())
    const inspector = kafkajsInspector({ brokers: [`127.0.0.1:${wire.port}`], connectionTimeoutMs: 10_000 })
    onTestFinished(() => inspector.close())
    wire.refuse(true)
    await expect(inspector.topics([])).rejects.toMatchObject({ code: 'TRANSPORT_UNREACHABLE' })
    wire.refuse(false)
    expect(await inspector.topics([])).toEqual(new Map())
  })
})
