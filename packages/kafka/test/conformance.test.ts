import { kafka } from '@oncebox/kafka'
import { startKafka } from '@oncebox/testkit'
import { kafkaMissing, testKafka, uniqueName } from '@oncebox/testkit/harness'
import { transportConformance } from '@oncebox/transport/conformance'
import { describe } from 'vitest'

const sessionTimeoutMs = 6000
const missing = await kafkaMissing()

describe.skipIf(missing !== undefined)('on a real Kafka', () => {
  transportConformance('kafka', {
    async create({ outage }) {
      const own = outage ? await startKafka() : undefined
      const { brokers } = own ?? (await testKafka())
      // A busy machine takes its time to accept a connection, and to write.
      const make = () => kafka({ brokers, sessionTimeoutMs, connectionTimeoutMs: 10_000, deliveryTimeoutMs: 10_000 })
      return {
        publisher: make,
        subscriber: make,
        async createTopic({ partitions }) {
          const name = uniqueName('conformance')
          const transport = make()
          await transport.createTopic(name, partitions)
          await transport.close()
          return name
        },
        ...(own === undefined ? {} : { outage: { begin: () => own.kill(), end: () => own.start() } }),
        close: async () => own?.remove(),
      }
    },
    features: {
      partitions: true,
      offsets: true,
      missingTopics: true,
      recordLimit: true,
      earliest: true,
      outage: true,
    },
    sessionTimeoutMs,
  })
})
