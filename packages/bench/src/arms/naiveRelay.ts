// The relay most teams write first: poll, lock, send, mark, commit. LIMIT rows a round, kafkajs.
import kafkajs from 'kafkajs'
import pg from 'pg'
import { measure } from '../armResult.js'
import { constantHeaders, topic } from '../workload.js'

interface NaiveRow {
  readonly id: string
  readonly key: string
  readonly payload: Buffer
  readonly message_id: string
  readonly created_at: Date
}

const limit = Number(process.env.LIMIT)
const client = new pg.Client({ connectionString: process.env.DATABASE_URL })
await client.connect()
const kafka = new kafkajs.Kafka({
  brokers: (process.env.KAFKA_BROKERS ?? '').split(','),
  logLevel: kafkajs.logLevel.ERROR,
})
const producer = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner })
await producer.connect()
await measure(async () => {
  for (let sent = 0; ; ) {
    await client.query('BEGIN')
    const { rows } = await client.query<NaiveRow>(
      `SELECT * FROM outbox_naive WHERE processed_at IS NULL ORDER BY id LIMIT ${limit} FOR UPDATE SKIP LOCKED`,
    )
    if (rows.length > 0) {
      await producer.send({
        topic,
        acks: -1,
        messages: rows.map((row) => ({
          key: row.key,
          value: row.payload,
          headers: {
            ...Object.fromEntries(constantHeaders),
            ce_id: row.message_id,
            ce_time: row.created_at.toISOString(),
          },
        })),
      })
      await client.query('UPDATE outbox_naive SET processed_at = now() WHERE id = ANY($1)', [rows.map((row) => row.id)])
    }
    await client.query('COMMIT')
    sent += rows.length
    if (rows.length === 0) return sent
  }
})
await producer.disconnect()
await client.end()
process.exit(0)
