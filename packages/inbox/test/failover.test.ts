import { defineMessages, localIds } from '@oncebox/core'
import { pgDatabase } from '@oncebox/core/pg'
import { type ConsumerEvent, createConsumer } from '@oncebox/inbox'
import { kafkajs } from '@oncebox/kafkajs'
import { defaultRoles } from '@oncebox/schema'
import {
  fastSettings,
  type PostgresServer,
  startPostgres,
  startProxy,
  startStandby,
  type TcpProxy,
  until,
} from '@oncebox/testkit'
import { kafkaMissing, testKafka, uniqueName, urlAs } from '@oncebox/testkit/harness'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type Bench, bench, businessDatabase, deposit, depositInto, prepareBank, type Sending } from './fixture.js'

/**
 * A primary with an asynchronous standby, and two wires to cut: the one the standby reads the log through, and the one
 * applications reach "the database" through, which leads to whoever is the primary.
 */
async function replicated() {
  const closes: (() => Promise<unknown>)[] = []
  const primary: PostgresServer = await startPostgres({ settings: fastSettings })
  closes.push(() => primary.remove())
  const wire: TcpProxy = await startProxy({ target: { host: '127.0.0.1', port: primary.port } })
  closes.push(() => wire.close())
  const conninfo = `host=127.0.0.1 port=${wire.port} user=postgres application_name=standby`
  const standby = await startStandby(primary, { settings: { ...fastSettings, primary_conninfo: conninfo } })
  closes.push(() => standby.remove())
  const target = { host: '127.0.0.1', port: primary.port }
  const address = await startProxy({ target })
  closes.push(() => address.close())
  const url = `postgres://postgres@127.0.0.1:${address.port}/bank`
  await primary.createDatabase('bank')
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await prepareBank(client)
  await client.end()
  const pool = new pg.Pool({ connectionString: urlAs(url, defaultRoles().consumer), max: 8 })
  pool.on('connect', (client) => client.on('error', () => undefined))
  pool.on('error', () => undefined)
  closes.push(() => pool.end())
  return {
    url,
    pool,
    async caughtUp() {
      const { rows } = await pool.query('SELECT pg_current_wal_insert_lsn()::text AS lsn')
      // A client that could not connect cannot try again.
      const connected = async () => {
        const client = new pg.Client({ connectionString: standby.urlOf('bank') })
        return client.connect().then(
          () => client,
          () => false as const,
        )
      }
      const replica = await until(connected, { what: 'the database on the standby' })
      const there = async () =>
        (await replica.query('SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn AS there', [rows[0].lsn])).rows[0].there
      await until(there, { what: 'the standby to catch up', deadlineMs: 30_000 })
      await replica.end()
    },
    /** From here on the standby learns nothing more. */
    async partStandby() {
      wire.refuse(true)
      wire.cut()
    },
    /** The primary dies; the standby takes its place, and its address. */
    async failOver() {
      await primary.crash()
      await standby.promote()
      target.port = standby.port
      address.cut()
    },
    async close() {
      for (const close of closes.splice(0).reverse()) await close()
    },
  }
}

type Replicated = Awaited<ReturnType<typeof replicated>>

const effectsOf = async (pool: pg.Pool) =>
  (await pool.query('SELECT message_id FROM effect ORDER BY number')).rows.map((row) => row.message_id as string)
const offsetIs = (pool: pg.Pool, offset: string) =>
  until(
    async () => (await pool.query('SELECT next_offset FROM oncebox.consumer_offset')).rows[0]?.next_offset === offset,
    { what: `the stored offset ${offset}`, deadlineMs: 40_000 },
  )

describe('a database that fails over and loses its last seconds', () => {
  let cluster: Replicated
  const stops: (() => Promise<unknown>)[] = []
  beforeAll(async () => {
    cluster = await replicated()
  }, 60_000)
  afterAll(() => cluster?.close())
  afterEach(async () => {
    for (const stop of stops.splice(0).reverse()) await stop()
  })

  test('G1, G3: a consumer that runs on goes back for the effects that were lost, and each is there once', async () => {
    const { pool, url } = cluster
    const it: Bench = await bench({ url, pool, name: 'bank', version: 18, as: () => pool } as never)
    const sent: Sending[] = Array.from({ length: 30 }, (_, index) => deposit(`a${index % 3}`, index))
    const events: ConsumerEvent[] = []
    const consumer = it.consumer({ concurrency: 2, onEvent: (event) => events.push(event) })
    stops.push(() => consumer.stop())
    await consumer.start()
    await it.send(sent.slice(0, 10))
    await it.drained()
    await offsetIs(pool, '10')
    await cluster.caughtUp()
    await cluster.partStandby()
    await it.send(sent.slice(10, 20))
    await it.drained()
    await offsetIs(pool, '20')
    await cluster.failOver()
    await until(async () => (await effectsOf(pool)).length === 10, {
      what: 'the standby to answer, without the last ten',
    })
    // Nothing tells the consumer but the next batch.
    await it.send(sent.slice(20))
    await offsetIs(pool, '30')
    const { rows } = await pool.query(
      'SELECT account, array_agg(message_id ORDER BY number) AS ids FROM effect GROUP BY 1',
    )
    for (const { account, ids } of rows) {
      expect(ids).toEqual(sent.filter(({ key }) => key === account).map(({ id }) => id))
    }
    expect(await effectsOf(pool)).toHaveLength(30)
    expect(events.filter(({ type }) => type === 'wentBack')).toMatchObject([{ topic: 'accounts', partition: 0 }])
    await until(() => consumer.state === 'running', { what: 'the consumer to be back' })
  }, 120_000)
})

describe('a database that says less than the consumer has seen', () => {
  const stops: (() => Promise<unknown>)[] = []
  afterEach(async () => {
    for (const stop of stops.splice(0).reverse()) await stop()
  })

  test.each([
    ['its offset is older', 'UPDATE oncebox.consumer_offset SET next_offset = 4', 4],
    ['it knows no offset at all', 'DELETE FROM oncebox.consumer_offset', 0],
  ])(
    'G1: restored from a backup beneath a running consumer (%s), it gets the lost effects again',
    async (_, back, kept) => {
      const database = await businessDatabase()
      stops.push(() => database.drop())
      const it = await bench(database)
      const consumer = it.consumer({})
      stops.push(() => consumer.stop())
      await consumer.start()
      const sent = Array.from({ length: 12 }, (_, index) => deposit('a', index))
      await it.send(sent.slice(0, 10))
      await it.drained()
      const client = await database.pool.connect()
      await client.query('BEGIN')
      await client.query('DELETE FROM effect WHERE amount >= $1', [kept])
      await client.query('DELETE FROM oncebox.inbox WHERE message_id = ANY ($1::uuid[])', [
        sent.slice(kept).map(({ id }) => id),
      ])
      await client.query(back)
      await client.query('COMMIT')
      client.release()
      await it.send(sent.slice(10))
      await offsetIs(database.pool, '12')
      expect(await effectsOf(database.pool)).toEqual(sent.map(({ id }) => id))
      await consumer.stop()
      expect(consumer.state).toBe('stopped')
    },
  )
})

const skip = await kafkaMissing()
describe.skipIf(skip)('on a real Kafka', () => {
  let cluster: Replicated | undefined
  const closes: (() => Promise<unknown>)[] = []
  afterEach(async () => {
    for (const close of closes.splice(0).reverse()) await close()
    await cluster?.close()
  })

  test('G1, G3: what a promoted standby never got is read again from Kafka, by a new consumer as well, once', async () => {
    cluster = await replicated()
    const { pool } = cluster
    const { brokers } = await testKafka()
    const transport = kafkajs({ brokers })
    closes.push(() => transport.close())
    await transport.connect()
    const topic = uniqueName('accounts')
    await transport.createTopic(topic, 1)
    const schema = z.object({ account: z.string(), amount: z.number() })
    const start = async () => {
      const subscriber = kafkajs({ brokers })
      const consumer = createConsumer({
        db: pgDatabase(pool),
        subscriber,
        group: topic,
        messages: defineMessages({ deposited: { topic, schema } }),
        handlers: { deposited: depositInto },
      })
      closes.push(
        () => subscriber.close(),
        () => consumer.stop(),
      )
      await consumer.start()
      return consumer
    }
    const sent: string[] = []
    const send = async (count: number) => {
      const ids = Array.from({ length: count }, () => localIds.next())
      sent.push(...ids)
      const value = Buffer.from('{"account":"a","amount":1}')
      const outcomes = await transport.publish(
        ids.map((id) => {
          const headers = { ce_id: id, ce_type: 'deposited', ce_source: 'shop', ce_specversion: '1.0' }
          return { topic, partition: 0, key: Buffer.from('a'), value, headers: Object.entries(headers) }
        }),
      )
      expect(outcomes.every(({ status }) => status === 'acked')).toBe(true)
    }
    const first = await start()
    await send(10)
    await offsetIs(pool, '10')
    await cluster.caughtUp()
    await cluster.partStandby()
    await send(10)
    await offsetIs(pool, '20')
    // Kafka's own offset of the group is 20 from here on.
    await first.stop()
    await cluster.failOver()
    await until(async () => (await effectsOf(pool)).length === 10, {
      what: 'the standby to answer, without the last ten',
    })
    await start()
    await send(5)
    await offsetIs(pool, '25')
    expect(await effectsOf(pool)).toEqual(sent)
  }, 120_000)
})
