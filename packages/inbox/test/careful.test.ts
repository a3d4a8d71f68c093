import { encodeHeaders, localIds, type WireRecord } from '@oncebox/core'
import { pgDatabase } from '@oncebox/core/pg'
import { batch, createConsumer } from '@oncebox/inbox'
import type { TestDatabase } from '@oncebox/testkit/harness'
import type { BatchHandler, Subscriber } from '@oncebox/transport'
import { expect, test } from 'vitest'
import { asConsumer, businessDatabase, messages } from './fixture.js'

/** A transport without offsets that hands its handler out, to be given batches by the test. */
function handedOut(): { readonly subscriber: Subscriber; handler(): BatchHandler } {
  let taken: BatchHandler | undefined
  return {
    subscriber: {
      name: 'by hand',
      retentionMs: async () => 7 * 86_400_000,
      close: async () => undefined,
      async subscribe(_options, handler) {
        taken = handler
        return { stop: async () => undefined }
      },
    },
    handler: () => taken as BatchHandler,
  }
}

function recordOf(account: string, redelivered: boolean | undefined): WireRecord {
  const headers = encodeHeaders({
    position: '1',
    id: localIds.next(),
    source: 'shop',
    topic: 'accounts',
    key: account,
    type: 'deposited',
    headers: null,
    payload: null,
    contentType: 'application/json',
    createdAt: new Date().toISOString(),
  })
  return {
    topic: 'accounts',
    partition: 0,
    offset: null,
    timestamp: Date.now(),
    key: Buffer.from(account),
    value: Buffer.from(JSON.stringify({ account, amount: 1 })),
    headers: headers.map(([name, value]) => [name, Buffer.from(value)]),
    ...(redelivered === undefined ? {} : { redelivered }),
  }
}

const partition = { topic: 'accounts', partition: 0, topicId: '' }

/** A consumer that has the partition; `take` hands it records and answers how many at a time it handled. */
async function holder(database: TestDatabase, batchMessages = 500) {
  const sizes: number[] = []
  let accused: number | undefined
  let dies = false
  const { subscriber, handler } = handedOut()
  const consumer = createConsumer({
    db: pgDatabase(asConsumer(database)),
    subscriber,
    group: 'bank',
    messages,
    batchMessages,
    onEvent: (event) => {
      if (event.type === 'careful') accused = event.accused
    },
    handlers: {
      deposited: batch(async (list, { tx }) => {
        sizes.push(list.length)
        if (dies) await tx.query('SELECT pg_terminate_backend(pg_backend_pid())')
      }),
    },
  })
  await consumer.start()
  await handler().assigned([partition])
  return {
    consumer,
    accused,
    /** As `take`, but in the first transaction its session ends, as with the process; answers how many it had in hand. */
    async dieOver(records: WireRecord[]) {
      dies = true
      const { done } = await handler().batch({ ...partition, records, signal: new AbortController().signal })
      expect(done).toBe(0)
      return [...sizes]
    },
    giveBack: () => handler().revoked([partition]),
    async take(records: WireRecord[]) {
      sizes.length = 0
      const { done } = await handler().batch({ ...partition, records, signal: new AbortController().signal })
      expect(done).toBe(records.length)
      return [...sizes]
    },
  }
}

function several(count: number, redelivered: boolean | undefined): WireRecord[] {
  return Array.from({ length: count }, (_, index) => recordOf(`a${index}`, redelivered))
}

test('after a death, only what was handed out before is handled with care, where the transport knows', async () => {
  await using database = await businessDatabase()
  // The first holder of the partition ends without giving it back.
  await holder(database)
  const { consumer, take } = await holder(database)
  expect(await take(several(40, false))).toEqual([40])
  expect(await take([...several(39, false), recordOf('d', true)])).toEqual([32, 8])
  expect(await take(several(40, undefined))).toEqual([32, 8])
  await consumer.stop()
})

test('after one death messages go by few; those that a second one had in hand go alone', async () => {
  await using database = await businessDatabase()
  const sent = several(80, undefined)
  const first = await holder(database)
  expect(await first.dieOver(sent)).toEqual([80])
  const second = await holder(database)
  expect(await second.dieOver(sent)).toEqual([32])
  const third = await holder(database)
  expect([first, second, third].map(({ accused }) => accused)).toEqual([undefined, 0, 32])
  expect(await third.take(sent)).toEqual([...Array(32).fill(1), 32, 16])
  await third.giveBack()
  // The marks of those who ended are still there: as many as a batch have not been passed.
  const fourth = await holder(database)
  expect(await fourth.take(several(40, undefined))).toEqual([32, 8])
  // Copies of what is handled are no attempts.
  expect(await fourth.take(sent)).toEqual([])
  const { rows } = await database.pool.query('SELECT * FROM oncebox.attempt')
  expect(rows).toEqual([])
  for (const { consumer } of [first, second, third, fourth]) await consumer.stop()
})

test('once as many as a batch are passed, a death is a first one again', async () => {
  await using database = await businessDatabase()
  const from = (offset: number) =>
    several(40, undefined).map((record, index) => ({ ...record, offset: String(offset + index) }))
  const first = await holder(database, 40)
  const second = await holder(database, 40)
  // Care ends in the middle of what was handed over.
  expect(await second.take([0, 40, 80].flatMap(from))).toEqual([32, 32, 40, 16])
  const third = await holder(database, 40)
  expect(third.accused).toBe(0)
  expect(await third.take(from(120))).toEqual([32, 8])
  for (const { consumer } of [first, second, third]) await consumer.stop()
})
