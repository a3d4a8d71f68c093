import { transportConformance } from '@oncebox/transport/conformance'
import { memoryTransport } from '@oncebox/transport/memory'

let topics = 0

transportConformance('memory', {
  async create() {
    const transport = memoryTransport({ missingTopics: 'refuse' })
    return {
      publisher: () => transport.publisher(),
      subscriber: () => transport.subscriber(),
      async createTopic({ partitions }) {
        const name = `topic-${++topics}`
        transport.createTopic(name, partitions)
        return name
      },
      outage: {
        begin: async () => transport.disconnect(),
        end: async () => transport.reconnect(),
      },
      close: async () => {},
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
  sessionTimeoutMs: 200,
})
