import { pgBoss } from '@oncebox/pg-boss'
import { fastSettings, startPostgres } from '@oncebox/testkit'
import { testDatabase, uniqueName } from '@oncebox/testkit/harness'
import { transportConformance } from '@oncebox/transport/conformance'

const unpartitioned = 'pg-boss has no partitions; what orders a key is its queue'
const declared = 'topics are declared; an undeclared one is refused with TOPIC_WITHOUT_GROUP, which has its own test'

transportConformance('pg-boss', {
  async create({ outage }) {
    const server = outage ? await startPostgres({ settings: fastSettings }) : undefined
    const database = outage ? undefined : await testDatabase()
    const connectionString = server?.url ?? (database?.url as string)
    const topics: Record<string, readonly string[]> = {}
    const transport = () => pgBoss({ connectionString, topics, heartbeatSeconds: 5, maxRecordBytes: 1_000_000 })
    return {
      publisher: transport,
      subscriber: transport,
      async createTopic({ groups }) {
        const name = uniqueName('topic')
        topics[name] = groups
        return name
      },
      ...(server === undefined ? {} : { outage: { begin: () => server.crash(), end: () => server.start() } }),
      close: async () => {
        await database?.drop()
        await server?.remove()
      },
    }
  },
  features: {
    partitions: unpartitioned,
    offsets: 'pg-boss has no offsets',
    missingTopics: declared,
    recordLimit: true,
    earliest: true,
    outage: true,
  },
  sessionTimeoutMs: 6_000,
})
