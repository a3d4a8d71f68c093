import { defineMessages, encodeHeaders, encodePayload, localIds } from '@oncebox/core'
import { pgDatabase } from '@oncebox/core/pg'
import { type ConsumerOptions, createConsumer } from '@oncebox/inbox'
import { kafkajs } from '@oncebox/kafkajs'
import { spawnNode, until } from '@oncebox/testkit'
import { kafkaMissing, type TestDatabase, testKafka, uniqueName } from '@oncebox/testkit/harness'
import kafkaClient from 'kafkajs'
import type { ClientBase } from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { asConsumer, businessDatabase, consumerUrl, depositInto } from './fixture.js'

const { Kafka, logLevel } = kafkaClient
const skip = await kafkaMissing()
// A broker of our own lets sessions end sooner than others do.
const sessionTimeoutMs = process.env.KAFKA_BROKERS ? 6000 : 4000
const childScript = (name: string) => new URL(`./${name}`, import.meta.url).pathname
const contracts = (topic: string) =>
  defineMessages({ deposited: { topic, schema: z.object({ account: z.string(), amount: z.number() }) } })
type Contracts = ReturnType<typeof contracts>

describe.skipIf(skip)('on a real Kafka', () => {
  let brokers: readonly string[]
  let transport: ReturnType<typeof kafkajs>
  let database: TestDatabase | undefined
  const closes: (() => Promise<unknown>)[] = []

  beforeAll(async () => {
    brokers = (await testKafka()).brokers
    transport = kafkajs({ brokers })
    await transport.connect()
  })
  afterAll(() => transport?.close())
  afterEach(async () => {
    for (const close of closes.splice(0).reverse()) await close()
    await database?.drop()
    database = undefined
  })

  /** A topic, with a partition unless told otherwise, an own group, and a database. */
  async function open(partitions = 1) {
    database = await businessDatabase()
    const { pool } = database
    const consumers = asConsumer(database)
    const url = consumerUrl(database)
    const topic = uniqueName('accounts')
    const group = uniqueName('bank')
    await transport.createTopic(topic, partitions)
    return {
      url,
      pool,
      topic,
      group,
      async send(count: number): Promise<string[]> {
        const ids = Array.from({ length: count }, () => localIds.next())
        const outcomes = await transport.publish(ids.map((id, index) => recordOf(topic, id, index % partitions)))
        expect(outcomes.every((outcome) => outcome.status === 'acked')).toBe(true)
        return ids
      },
      effects: async () =>
        (await pool.query('SELECT message_id FROM effect ORDER BY number')).rows.map((row) => row.message_id as string),
      deadLetters: async () =>
        (await pool.query('SELECT message_id, reason, attempts FROM oncebox.dead_letter')).rows as unknown[],
      consumer(overrides: Partial<ConsumerOptions<Contracts, ClientBase>> = {}) {
        const subscriber = kafkajs({ brokers, sessionTimeoutMs })
        const consumer = createConsumer({
          db: pgDatabase(consumers),
          subscriber,
          group,
          messages: contracts(topic),
          handlers: { deposited: depositInto },
          ...overrides,
        })
        closes.push(
          () => subscriber.close(),
          () => consumer.stop({ deadlineMs: 1000 }),
        )
        return consumer
      },
      storedOffset: async () =>
        (await pool.query('SELECT next_offset FROM oncebox.consumer_offset')).rows[0]?.next_offset as
          | string
          | undefined,
    }
  }

  test.each(['afterIds', 'afterEffect', 'afterCommit'])(
    'G3: a consumer that is killed %s has lost nothing and done nothing twice',
    async (crashAt) => {
      const it = await open()
      const sent = await it.send(20)
      const { url, topic, group } = it
      const settings = { url, brokers, sessionTimeoutMs, topic, group, crashAt, afterMessages: 13 }
      const child = spawnNode(childScript('crashingConsumer.mjs'), [JSON.stringify(settings)])
      closes.push(() => child.kill('SIGKILL'))
      await child.waitForLine((line) => line === 'crashing', { what: 'the crash' })
      expect(await child.ended).toMatchObject({ signal: 'SIGKILL' })
      expect(await it.effects()).toHaveLength(crashAt === 'afterCommit' ? 20 : 0)
      sent.push(...(await it.send(5)))
      await it.consumer().start()
      await until(async () => (await it.storedOffset()) === '25', {
        what: 'the next consumer to finish',
        deadlineMs: 25_000,
      })
      expect(await it.effects()).toEqual(sent)
    },
    60_000,
  )

  test.each([
    ['process.exit()', 'exit', 1],
    ['SIGKILL, with two consumers', 'kill', 2],
  ] as const)(
    'a message whose handler ends the process (%s) is dead-lettered after its attempts; all others are handled',
    async (_, how, consumers) => {
      const it = await open(consumers)
      const sent = await it.send(24)
      const fatalId = sent[11] as string
      const { url, topic, group } = it
      const settings = { url, brokers, sessionTimeoutMs, topic, group, fatalId, how, attempts: 2 }
      let deaths = 0
      let ended = false
      // As a supervisor would: whoever ends is started again.
      const supervise = async () => {
        while (!ended) {
          const child = spawnNode(childScript('fatalConsumer.mjs'), [JSON.stringify(settings)])
          closes.push(() => child.kill('SIGKILL'))
          await child.ended
          if (!ended) deaths++
        }
      }
      const supervised = Array.from({ length: consumers }, supervise)
      closes.push(async () => {
        ended = true
      })
      await until(async () => (await it.effects()).length === 23 && (await it.deadLetters()).length === 1, {
        what: 'all but the fatal message',
        deadlineMs: 80_000,
      })
      expect((await it.effects()).sort()).toEqual(sent.filter((id) => id !== fatalId))
      expect(await it.deadLetters()).toEqual([{ message_id: fatalId, reason: 'CONSUMER_DIED', attempts: 2 }])
      // The first death comes without a warning; those after it are counted, two for each message that is in hand.
      expect(deaths).toBeGreaterThanOrEqual(3)
      expect(deaths).toBeLessThanOrEqual(2 + 2 * consumers)
      ended = true
      for (const close of closes.splice(0).reverse()) await close()
      await Promise.all(supervised)
    },
    120_000,
  )

  test('G3: a rebalance in the middle of a batch runs nothing twice', async () => {
    const it = await open()
    const sent = await it.send(10)
    const entered = Promise.withResolvers<void>()
    const go = Promise.withResolvers<void>()
    let calls = 0
    const handlers = {
      deposited: async (message: Parameters<typeof depositInto>[0], context: Parameters<typeof depositInto>[1]) => {
        calls++
        entered.resolve()
        await go.promise
        await depositInto(message, context)
      },
    }
    await it.consumer({ handlers }).start()
    await entered.promise
    const second = it.consumer({ handlers })
    const joined = second.start()
    await until(() => calls >= 1, { what: 'the batch' })
    go.resolve()
    await joined
    sent.push(...(await it.send(10)))
    await until(async () => (await it.storedOffset()) === '20', { what: 'both to finish', deadlineMs: 25_000 })
    expect(await it.effects()).toEqual(sent)
  }, 60_000)

  test('G3: a handler that takes longer than the session timeout keeps its partition and runs once', async () => {
    const it = await open()
    const admin = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING }).admin()
    await admin.connect()
    closes.push(() => admin.disconnect())
    const members = async (group: string) =>
      (await admin.describeGroups([group])).groups[0]?.members.map(({ memberId }) => memberId).sort() ?? []
    const membersAfter: string[][] = []
    const handlers = {
      deposited: async (message: Parameters<typeof depositInto>[0], context: Parameters<typeof depositInto>[1]) => {
        await using silent = await silentConsumer(brokers, it.topic)
        const putOut = async () => (await members(silent.group)).length === 0
        await until(putOut, { what: 'Kafka to end the session of a silent consumer', deadlineMs: 30_000 })
        membersAfter.push(await members(it.group))
        await depositInto(message, context)
      },
    }
    const consumers = [it.consumer({ handlers }), it.consumer({ handlers })]
    for (const consumer of consumers) await consumer.start()
    const membersBefore = await members(it.group)
    expect(membersBefore).toHaveLength(2)
    const sent = await it.send(1)
    await until(async () => (await it.storedOffset()) === '1', { what: 'the slow handler', deadlineMs: 30_000 })
    expect(await it.effects()).toEqual(sent)
    expect(membersAfter).toEqual([membersBefore])
  }, 60_000)

  test('G1: a restored database gets its lost effects again, because the consumer seeks to the stored offset', async () => {
    const it = await open()
    const sent = await it.send(10)
    const before = it.consumer()
    await before.start()
    await until(async () => (await it.storedOffset()) === '10', { what: 'the first run', deadlineMs: 25_000 })
    await before.stop()
    const lost = sent.slice(4)
    await it.pool.query('DELETE FROM effect WHERE message_id = ANY ($1)', [lost])
    await it.pool.query('DELETE FROM oncebox.inbox WHERE message_id = ANY ($1)', [lost])
    await it.pool.query('UPDATE oncebox.consumer_offset SET next_offset = 4')
    await it.consumer().start()
    await until(async () => (await it.storedOffset()) === '10', { what: 'the second run', deadlineMs: 25_000 })
    expect((await it.effects()).sort()).toEqual(sent)
  }, 60_000)
})

/** A plain consumer of `topic`, at work on its first record: it tells Kafka nothing while it works, until it is disposed of. */
async function silentConsumer(brokers: readonly string[], topic: string) {
  const group = uniqueName('silent')
  const times = { sessionTimeout: sessionTimeoutMs, heartbeatInterval: sessionTimeoutMs / 3 }
  const client = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING })
  const consumer = client.consumer({ groupId: group, ...times })
  const working = Promise.withResolvers<void>()
  const over = Promise.withResolvers<void>()
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    async eachMessage() {
      working.resolve()
      await over.promise
    },
  })
  await working.promise
  return {
    group,
    async [Symbol.asyncDispose]() {
      over.resolve()
      await consumer.disconnect()
    },
  }
}

function recordOf(topic: string, id: string, partition: number) {
  const payload = encodePayload({ account: 'a', amount: 1 })
  const headers = encodeHeaders({
    position: '1',
    id,
    source: 'shop',
    topic,
    key: 'a',
    type: 'deposited',
    headers: null,
    payload: payload.bytes,
    contentType: payload.contentType,
    createdAt: new Date().toISOString(),
  })
  return { topic, partition, key: Buffer.from(id), value: payload.bytes, headers }
}
