// Brings the schema of oncebox up to date. Any number of processes may run it at once: call it when you deploy.
import { migrate } from 'oncebox/schema'
import pg from 'pg'

const client = new pg.Client({ connectionString: process.env.DATABASE_URL })
await client.connect()
try {
  const { schema, applied, databaseVersion } = await migrate(client)
  console.log(`schema ${schema} is at version ${databaseVersion}, ${applied.length} migrations applied`)
} finally {
  await client.end()
}
