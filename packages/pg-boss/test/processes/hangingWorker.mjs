// A consumer that takes a batch, says which, and never answers: for tests that kill it.
import { silentLogger } from '@oncebox/core'
import { pgBoss } from '@oncebox/pg-boss'

const [connectionString, topic, group, heartbeatSeconds] = process.argv.slice(2)
const transport = pgBoss({
  connectionString,
  topics: { [topic]: [group] },
  heartbeatSeconds: Number(heartbeatSeconds),
})
await transport.subscribe(
  { group, topics: [topic], maxRecords: 10, maxBytes: 1_000_000, logger: silentLogger },
  {
    assigned: async () => new Map(),
    revoked: async () => {},
    batch: ({ records }) => {
      console.log(`took ${records.map((record) => Buffer.from(record.value).toString()).join(',')}`)
      return new Promise(() => {})
    },
  },
)
