// Run it with `node main.ts`; with DATABASE_URL it uses that (empty) database, without it starts a Postgres of its own.
import { readFile } from 'node:fs/promises'
import { decodeEnvelope, decodePayload } from '@oncebox/core'
import { createRelay } from '@oncebox/relay'
import { migrate } from '@oncebox/schema'
import { startPostgres } from '@oncebox/testkit'
import { memoryTransport } from '@oncebox/transport/memory'
import pg from 'pg'

const file = (name: string): Promise<string> => readFile(new URL(name, import.meta.url), 'utf8')

async function main(connectionString: string): Promise<void> {
  const client = new pg.Client({ connectionString })
  await client.connect()
  await migrate(client)
  await client.query(await file('tickets.sql'))

  // The producer: nothing but SQL.
  await runAsPsql(client, await file('work.sql'))
  const { rows } = await client.query('SELECT id, status FROM ticket ORDER BY id')
  for (const row of rows) console.log(`ticket   ${row.id} ${row.status}`)
  await client.end()

  // The relay; a service gives it a Kafka publisher instead of this one, or runs `oncebox relay` beside itself.
  const pool = new pg.Pool({ connectionString, max: 4 })
  const transport = memoryTransport({ partitions: 1 })
  const { published } = await createRelay({ pool, publisher: transport.publisher() }).drain()
  await pool.end()

  for (const record of transport.records('tickets')) {
    const { key, type, source, headers, payload, contentType } = decodeEnvelope(record)
    const data = JSON.stringify(decodePayload(payload, contentType))
    console.log(`message  ${key} ${type} from ${source} by ${headers.by} ${data}`)
  }
  console.log(`published ${published}`)
}

/** Sends statements one by one, as psql does; sent together they would be one transaction. */
async function runAsPsql(client: pg.Client, script: string): Promise<void> {
  for (const statement of script.replaceAll(/^--.*$/gm, '').split(';')) {
    if (statement.trim() !== '') await client.query(statement)
  }
}

const given = process.env.DATABASE_URL
if (given !== undefined) {
  await main(given)
} else {
  const server = await startPostgres()
  try {
    await main(server.url)
  } finally {
    await server.remove()
  }
}
