import { kafka, kafkaInspector } from '@oncebox/kafka'
import { until } from '@oncebox/testkit'
import { kafkaMissing, testKafka, uniqueName } from '@oncebox/testkit/harness'
import { inspectorConformance } from '@oncebox/transport/conformance'
import { Admin } from '@platformatic/kafka'
import { beforeAll, describe } from 'vitest'

describe.skipIf(await kafkaMissing())('what a real Kafka says about its topics', () => {
  beforeAll(testKafka, 120_000)

  inspectorConformance(async () => {
    const { brokers } = await testKafka()
    return {
      inspector: () => kafkaInspector({ brokers }),
      unreachable: () => kafkaInspector({ brokers: ['127.0.0.1:1'], connectionTimeoutMs: 500 }),
      missingTopic: () => uniqueName('missing'),
      async createTopic(partitions, settings) {
        const topic = uniqueName('inspected')
        const admin = new Admin({ clientId: 'test', bootstrapBrokers: [...brokers] })
        const configs = Object.entries(settings).map(([name, value]) => ({ name, value }))
        await admin.createTopics({ topics: [topic], partitions, replicas: 1, configs })
        await admin.close()
        const transport = kafka({ brokers })
        await until(async () => (await transport.partitions(topic)) !== null, { what: 'the topic to appear' })
        await transport.close()
        return topic
      },
      async publish(topic, partition, count) {
        const transport = kafka({ brokers })
        const record = { topic, partition, key: null, value: Buffer.from('x'), headers: [] }
        await transport.publish(Array.from({ length: count }, () => record))
        await transport.close()
      },
    }
  })
})
