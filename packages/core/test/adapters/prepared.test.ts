import { defineMessages, localIds } from '@oncebox/core'
import { fromPg, pgDatabase } from '@oncebox/core/pg'
import { createConsumer } from '@oncebox/inbox'
import { createOutbox } from '@oncebox/outbox'
import { migrate } from '@oncebox/schema'
import { until } from '@oncebox/testkit'
import { type TestDatabase, testDatabase } from '@oncebox/testkit/harness'
import { memoryTransport } from '@oncebox/transport/memory'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'

const messages = defineMessages({ counted: { topic: 'counts', schema: z.object({ n: z.number() }) } })
const message = (n: number) => ({ topic: 'counts', type: 'counted', key: 'k', data: { n } })

/** Statements that the server keeps for this session, and how often each of them ran. */
const kept = `SELECT statement, (generic_plans + custom_plans)::int AS runs FROM pg_prepared_statements ORDER BY statement`

describe('statements prepared on pg', () => {
  let database: TestDatabase
  const outbox = createOutbox({ source: 'shop', messages })

  beforeAll(async () => {
    database = await testDatabase({
      async prepare({ pool }) {
        const client = await pool.connect()
        await migrate(client).finally(() => client.release())
      },
    })
  })
  afterAll(() => database?.drop())

  test('the statement of emit is parsed once a connection where the caller asks for it, and only there', async () => {
    const client = await database.pool.connect()
    try {
      await client.query('BEGIN')
      await outbox.emit(fromPg(client), message(1))
      expect((await client.query(kept)).rows).toEqual([])
      for (const n of [2, 3, 4]) await outbox.emit(fromPg(client, { prepare: true }), message(n))
      expect((await client.query(kept)).rows).toEqual([
        { statement: expect.stringContaining('INSERT INTO "oncebox".outbox'), runs: 3 },
      ])
      const { rows } = await client.query('SELECT key FROM oncebox.outbox')
      expect(rows).toHaveLength(4)
    } finally {
      await client.query('ROLLBACK')
      client.release()
    }
  })

  test('a consumer keeps as few statements as it has, batches of every size among them, and its handlers emit with them', async () => {
    const pool = new pg.Pool({ connectionString: database.url, max: 1 })
    const transport = memoryTransport({ partitions: 1 })
    transport.createTopic('counts')
    const headers = (id: string): [string, Uint8Array][] => [
      ['ce_id', Buffer.from(id)],
      ['ce_type', Buffer.from('counted')],
    ]
    const records = Array.from({ length: 7 }, (_, n) => ({
      topic: 'counts',
      partition: 0,
      key: null,
      value: Buffer.from(JSON.stringify({ n })),
      headers: headers(localIds.next()),
    }))
    const consumer = createConsumer({
      db: pgDatabase(pool, { prepare: true }),
      subscriber: transport.subscriber(),
      group: 'prepared',
      messages,
      batchMessages: 3,
      handlers: {
        counted: async ({ data }, { tx }) => {
          await outbox.emit(tx, message(data.n))
        },
      },
    })
    try {
      const publisher = transport.publisher()
      await publisher.publish([...records, records[0] as (typeof records)[0]])
      await consumer.start()
      await until(
        () => consumer.counters().received >= 8 && consumer.counters().handled + consumer.counters().duplicates >= 8,
        {
          what: 'all messages to be handled',
        },
      )
      expect(consumer.counters()).toMatchObject({ handled: 7, duplicates: 1 })
      const { rows } = await pool.query<{ statement: string; runs: number }>(kept)
      const runsOf = (part: string) => rows.filter(({ statement }) => statement.includes(part)).map(({ runs }) => runs)
      expect(runsOf('INSERT INTO "oncebox".outbox')).toEqual([7])
      expect(runsOf('"inbox_floor"')).toHaveLength(1)
      expect(rows).toHaveLength(4)
    } finally {
      await consumer.stop({ deadlineMs: 5_000 })
      await pool.end()
    }
  })
})
