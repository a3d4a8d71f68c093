import { encodeHeaders, localIds, type WireRecord } from '@oncebox/core'
import { pgDatabase } from '@oncebox/core/pg'
import { batch, createConsumer } from '@oncebox/inbox'
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

test('after a death, only what was handed out before is handled one by one, where the transport knows', async () => {
  await using database = await businessDatabase()
  const partition = { topic: 'accounts', partition: 0, topicId: '' }
  const sizes: number[] = []
  const start = async () => {
    const { subscriber, handler } = handedOut()
    const consumer = createConsumer({
      db: pgDatabase(asConsumer(database)),
      subscriber,
      group: 'bank',
      messages,
      handlers: {
        deposited: batch(async (list) => {
          sizes.push(list.length)
        }),
      },
    })
    await consumer.start()
    await handler().assigned([partition])
    return { consumer, handler: handler() }
  }
  // The first holder of the partition ends without giving it back.
  await start()
  const { consumer, handler } = await start()
  const take = async (records: WireRecord[]) => {
    sizes.length = 0
    const { done } = await handler.batch({ ...partition, records, signal: new AbortController().signal })
    expect(done).toBe(records.length)
    return [...sizes]
  }
  const three = (redelivered: boolean | undefined) => ['a', 'b', 'c'].map((account) => recordOf(account, redelivered))
  expect(await take(three(false))).toEqual([3])
  expect(await take([...three(false), recordOf('d', true)])).toEqual([1, 1, 1, 1])
  expect(await take(three(undefined))).toEqual([1, 1, 1])
  await consumer.stop()
})
