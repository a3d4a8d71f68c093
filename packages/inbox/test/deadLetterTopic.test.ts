import { pgDatabase } from '@oncebox/core/pg'
import { type ConsumerEvent, deadLetter } from '@oncebox/inbox'
import { discardDeadLetters } from '@oncebox/ops'
import { until } from '@oncebox/testkit'
import { postgresVersions, type TestDatabase } from '@oncebox/testkit/harness'
import { type MemoryTransport, memoryTransport } from '@oncebox/transport/memory'
import { afterEach, describe, expect, test } from 'vitest'
import { copyRecord } from '../dist/copyRecord.js'
import {
  asConsumer,
  asOperator,
  type Bench,
  bench,
  businessDatabase,
  deposit,
  foreignDeposit,
  type Sending,
} from './fixture.js'

const topic = 'bank.dead'

describe.each(postgresVersions)('on Postgres %i', (version) => {
  let database: TestDatabase | undefined
  const stops: (() => Promise<void>)[] = []

  async function open() {
    database = await businessDatabase(version)
    const it = await bench(database)
    const dead = memoryTransport({ partitions: 4, missingTopics: 'refuse' })
    return { it, dead, events: [] as ConsumerEvent[] }
  }

  async function start(
    { it, dead, events }: Awaited<ReturnType<typeof open>>,
    overrides: Parameters<Bench['consumer']>[0] = {},
  ) {
    const consumer = it.consumer({
      redrivePollMs: 10,
      deadLetterTopic: { topic, publisher: dead.publisher() },
      handlers: {
        deposited: () => {
          throw deadLetter('never')
        },
      },
      onEvent: (event) => events.push(event),
      ...overrides,
    })
    stops.push(() => consumer.stop())
    await consumer.start()
    return consumer
  }

  afterEach(async () => {
    for (const stop of stops.splice(0)) await stop()
    await database?.drop()
    database = undefined
  })

  const waiting = async (it: Bench) =>
    (await it.database.pool.query('SELECT count(*)::int AS copies FROM oncebox.dead_letter_copy')).rows[0].copies
  const empty = (it: Bench) => until(async () => (await waiting(it)) === 0, { what: 'all copies to be sent' })
  const told = (dead: MemoryTransport, place = 0) =>
    new Map(dead.records(topic)[place]?.headers.map(([name, value]) => [name, value === null ? null : String(value)]))

  test('a copy has key, value and headers as they came, and says why, with which code and after how many attempts', async () => {
    const at = await open()
    const { it, dead } = at
    dead.createTopic(topic)
    const bytes = Buffer.from([0xff, 0x00, 0xc3])
    const headers = [
      ['id', Buffer.from('invoice-7')],
      ['eventType', Buffer.from('deposited')],
      ['twice', bytes],
      ['twice', Buffer.from('again')],
    ] as const
    const publisher = it.transport.publisher()
    await publisher.publish([
      {
        topic: 'accounts',
        partition: 0,
        key: bytes,
        value: Buffer.from('{"account":"a","amount":1}'),
        headers,
      },
    ])
    await start(at, {
      attempts: 2,
      poison: 'skip',
      handlers: {
        deposited: (_, { trx }) => trx.query('SELECT no_such_column'),
      },
    })
    await until(() => dead.records(topic).length > 0, { what: 'the copy' })
    await empty(it)
    const [copy] = dead.records(topic)
    expect(copy?.key).toEqual(bytes)
    expect(String(copy?.value)).toBe('{"account":"a","amount":1}')
    expect(copy?.headers.slice(0, 4)).toEqual(headers.slice(0, 4))
    expect(Object.fromEntries(told(dead))).toMatchObject({
      dead_letter_group: 'bank',
      dead_letter_reason: 'HANDLER_FAILED',
      dead_letter_error_code: '42703',
      dead_letter_attempts: '2',
      dead_letter_topic: 'accounts',
      dead_letter_partition: '0',
      dead_letter_offset: '0',
      dead_letter_time: expect.stringMatching(/^20\d\d-\d\d-\d\dT.*Z$/),
    })
    const { rows } = await it.database.pool.query('SELECT number::text FROM oncebox.dead_letter')
    expect(told(dead).get('dead_letter_number')).toBe(rows[0].number)
    expect([...told(dead).values()].join()).not.toContain('no_such_column')
  })

  test('a message that ends as a dead letter beside the stream, after its retries, is copied as well, once', async () => {
    const at = await open()
    at.dead.createTopic(topic)
    await at.it.send([deposit('a', 1), deposit('a', 2), foreignDeposit('b', 3)])
    await start(at, {
      attempts: 2,
      handlers: {
        deposited: () => {
          throw new TypeError('poison')
        },
      },
    })
    await at.it.drained()
    await until(() => at.dead.records(topic).length >= 2, { what: 'two copies' })
    await at.it.settled()
    await empty(at.it)
    expect(at.dead.records(topic)).toHaveLength(2)
    expect(told(at.dead).get('dead_letter_attempts')).toBe('2')
    expect(told(at.dead).get('dead_letter_error_name')).toBe('TypeError')
  })

  test('copies wait while the topic is missing or its transport away, also when their dead letters are gone by then', async () => {
    const at = await open()
    const { it, dead, events } = at
    const sent: Sending[] = Array.from({ length: 50 }, (_, index) => deposit(String(index)))
    await it.send(sent)
    await start(at)
    await it.drained()
    await until(() => events.some(({ type }) => type === 'copyFailed'), { what: 'the first failure' })
    expect(events.find(({ type }) => type === 'copyFailed')).toMatchObject({ topic, code: 'TOPIC_MISSING' })
    const client = await asOperator(it.database).connect()
    await client.query('BEGIN')
    await discardDeadLetters(client, { filter: {}, by: 'ann', why: 'test' })
    await client.query('COMMIT')
    client.release()
    dead.createTopic(topic)
    dead.disconnect()
    await it.database.pool.query('UPDATE oncebox.dead_letter_copy SET due_at = now()')
    await until(() => events.some((event) => event.type === 'copyFailed' && event.code === 'TRANSPORT_UNREACHABLE'), {
      what: 'the second failure',
    })
    dead.reconnect()
    const due = async () => {
      await it.database.pool.query('UPDATE oncebox.dead_letter_copy SET due_at = least(due_at, now())')
      return (await waiting(it)) === 0
    }
    await until(due, { what: 'all copies to be sent' })
    const ids = dead.records(topic).map(({ headers }) => String(headers.find(([name]) => name === 'ce_id')?.[1]))
    expect(new Set(ids)).toEqual(new Set(sent.map(({ id }) => id)))
  })

  test('one that the topic takes no more, being too large with its headers, stays and holds up no other', async () => {
    const at = await open()
    const { it, dead, events } = at
    dead.createTopic(topic)
    dead.refuse((record) => (String(record.key) === 'large' ? 'RECORD_TOO_LARGE' : null))
    await it.send([deposit('large'), deposit('small')])
    await start(at)
    await until(() => dead.records(topic).length === 1, { what: 'the small one' })
    await until(() => events.some(({ type }) => type === 'copyFailed'), { what: 'the refusal' })
    expect(events.find(({ type }) => type === 'copyFailed')).toMatchObject({ code: 'RECORD_TOO_LARGE', count: 1 })
    await until(async () => (await waiting(it)) === 1, { what: 'the small one to be crossed off' })
    const { rows } = await it.database.pool.query('SELECT failures > 0 AS failed FROM oncebox.dead_letter_copy')
    expect(rows).toEqual([{ failed: true }])
  })

  test('there is a copy exactly where there is a dead letter: a transaction that is rolled back leaves neither', async () => {
    const at = await open()
    at.dead.createTopic(topic)
    await at.it.send([deposit('a'), deposit('b')])
    const db = pgDatabase(asConsumer(at.it.database))
    let failures = 2
    await start(at, {
      poison: 'skip',
      db: {
        ...db,
        transaction: (work) =>
          db.transaction(async (scope) => {
            const result = await work(scope)
            const { rows } = await scope.tx.query(
              'SELECT FROM oncebox.dead_letter_copy WHERE xmin = pg_current_xact_id_if_assigned()::xid',
            )
            if (rows.length > 0 && failures-- > 0)
              throw Object.assign(new Error('the connection is lost'), { code: '57P01' })
            return result
          }),
      },
    })
    await at.it.drained()
    await empty(at.it)
    expect(failures).toBeLessThan(0)
    expect(await at.it.deadLetters()).toHaveLength(2)
    expect(at.dead.records(topic)).toHaveLength(2)
  })

  test('an acknowledged copy whose sender ends before it is crossed off is sent again, and only by one consumer at a time', async () => {
    const at = await open()
    at.dead.createTopic(topic)
    const db = pgDatabase(asConsumer(at.it.database))
    let endings = 1
    const ending: typeof db = {
      ...db,
      transaction: (work) =>
        db.transaction(async (scope) => {
          const result = await work(scope)
          const { rows } = await scope.tx.query('SELECT FROM oncebox.dead_letter_copy')
          if (at.dead.records(topic).length > 0 && rows.length === 0 && endings-- > 0)
            throw Object.assign(new Error('the connection is lost'), { code: '57P01' })
          return result
        }),
    }
    await at.it.send([deposit('a')])
    for (let consumer = 0; consumer < 3; consumer++) await start(at, { db: ending })
    await until(() => endings === 0, { what: 'the lost answer' })
    expect(await waiting(at.it)).toBe(1)
    // What the passing of the claim's time would do.
    await at.it.database.pool.query('UPDATE oncebox.dead_letter_copy SET due_at = now()')
    await empty(at.it)
    expect(at.dead.records(topic)).toHaveLength(2)
  })
})

test('a header without bytes is sent as an empty one; a message without a key goes to any partition', () => {
  const copy = {
    ...{ number: '1', deadLetter: '7', deadAt: '2026-01-01T00:00:00.000000Z', attempts: 0, failures: 0 },
    ...{ reason: 'MESSAGE_ID_MISSING', errorName: null, errorCode: null },
    ...{
      topic: 'accounts',
      partition: 3,
      offset: null,
      timeMs: '0',
      key: null,
      payload: null,
      headers: '[["h", null]]',
    },
  }
  const record = copyRecord(copy, 'bank', topic, 4)
  expect(record).toMatchObject({ topic, partition: null, key: null, value: null })
  expect(record.headers.map(([name]) => name)).not.toContain('dead_letter_error_code')
  expect(record.headers[0]).toEqual(['h', new Uint8Array()])
})

test('a dead-letter topic that the consumer itself reads, or that Kafka could not have, is refused', async () => {
  const database = await businessDatabase()
  const it = await bench(database)
  const publisher = memoryTransport().publisher()
  for (const wrong of ['accounts', '', 'a b']) {
    expect(() => it.consumer({ deadLetterTopic: { topic: wrong, publisher } })).toThrow(
      expect.objectContaining({ code: 'INVALID_SETTING' }),
    )
  }
  await database.drop()
})
