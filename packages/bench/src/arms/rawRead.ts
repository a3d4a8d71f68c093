// The limit of reading: pg, rows as arrays, pages of 2,000 by position, every column the relay needs.
import pg from 'pg'
import { measure } from '../armResult.js'

const client = new pg.Client({ connectionString: process.env.DATABASE_URL })
await client.connect()
await client.query('SET enable_seqscan = off')
await measure(async () => {
  let position = '0'
  let messages = 0
  for (;;) {
    const { rows } = await client.query<unknown[]>({
      name: 'page',
      rowMode: 'array',
      text: `SELECT position, id, source, topic, key, type, headers, payload, content_type, created_at
        FROM oncebox.outbox WHERE position > $1 ORDER BY position LIMIT 2000`,
      values: [position],
    })
    if (rows.length === 0) return messages
    messages += rows.length
    position = rows.at(-1)?.[0] as string
  }
})
await client.end()
