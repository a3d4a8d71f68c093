import { batch, type ConsumerEvent, deadLetter, retryLater, skip } from '@oncebox/inbox'
import type { TestDatabase } from '@oncebox/testkit/harness'
import { afterEach, expect, test } from 'vitest'
import { type Bench, bench, businessDatabase, deposit, depositInto } from './fixture.js'

let database: TestDatabase | undefined
const stops: (() => Promise<void>)[] = []

async function open(): Promise<Bench> {
  database = await businessDatabase()
  return bench(database)
}

afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
  await database?.drop()
  database = undefined
})

async function start(it: Bench, overrides: Parameters<Bench['consumer']>[0]) {
  const consumer = it.consumer(overrides)
  stops.push(() => consumer.stop())
  await consumer.start()
  return consumer
}

const others = (sent: ReturnType<typeof deposit>[], ...places: number[]) =>
  sent.filter((_, index) => !places.includes(index)).map(({ id }) => id)

test('skip: a message is recorded as handled without an effect, whether it is returned or thrown', async () => {
  const it = await open()
  const sent = Array.from({ length: 9 }, (_, index) => deposit(String(index)))
  await it.send([...sent, ...sent])
  const events: ConsumerEvent[] = []
  const consumer = await start(it, {
    onEvent: (event) => events.push(event),
    handlers: {
      deposited: async (message, context) => {
        if (message.id === sent[2]?.id) return skip('not for us')
        await depositInto(message, context)
        if (message.id === sent[5]?.id) throw skip('too late seen')
        return undefined
      },
    },
  })
  await it.drained()
  expect((await it.effects()).map((row) => row.message_id)).toEqual(others(sent, 2, 5))
  expect(await it.deadLetters()).toEqual([])
  expect(consumer.counters()).toMatchObject({ handled: 7, skipped: 2, duplicates: 9, failedAttempts: 0 })
  const reasons = events.flatMap((event) => (event.type === 'skipped' ? [event.reason] : []))
  expect(reasons.sort()).toEqual(['not for us', 'too late seen'])
})

test.each(['returned', 'thrown'])('deadLetter: %s, it gives a message up at once and leaves no effect', async (how) => {
  const it = await open()
  const sent = Array.from({ length: 9 }, (_, index) => deposit(String(index)))
  await it.send(sent)
  let calls = 0
  await start(it, {
    handlers: {
      deposited: async (message, context) => {
        await depositInto(message, context)
        if (message.id !== sent[4]?.id) return undefined
        calls++
        const outcome = deadLetter('no such account')
        if (how === 'thrown') throw outcome
        return outcome
      },
    },
  })
  await it.drained()
  expect(calls).toBe(1)
  expect((await it.effects()).map((row) => row.message_id)).toEqual(others(sent, 4))
  const { rows } = await it.database.pool.query('SELECT message_id, reason, error, attempts FROM oncebox.dead_letter')
  expect(rows).toMatchObject([{ message_id: sent[4]?.id, reason: 'HANDLER_GAVE_UP', attempts: 0 }])
  expect(rows[0].error.message).toBe('no such account')
})

test.each(['park', 'skip'] as const)(
  'retryLater with policy %s: it comes again, uncounted, and happens once',
  async (poison) => {
    const it = await open()
    const sent = Array.from({ length: 9 }, (_, index) => deposit(String(index % 3), index))
    await it.send(sent)
    let calls = 0
    const consumer = await start(it, {
      poison,
      attempts: 2,
      redrivePollMs: 20,
      handlers: {
        deposited: async (message, context) => {
          await depositInto(message, context)
          if (message.id === sent[1]?.id && ++calls < 5) return retryLater(5)
          return undefined
        },
      },
    })
    await it.drained()
    await it.settled()
    const effects = await it.effects()
    for (const account of ['0', '1', '2']) {
      const own = sent.filter(({ key }) => key === account).map(({ id }) => id)
      expect(effects.filter((row) => row.account === account).map((row) => row.message_id)).toEqual(own)
    }
    expect(consumer.counters()).toMatchObject({ failedAttempts: 0, deadLettered: 0 })
    expect(calls).toBe(5)
  },
)

test('a batch handler that gives one of its messages up is bisected until that one is alone', async () => {
  const it = await open()
  const sent = Array.from({ length: 33 }, (_, index) => deposit(String(index)))
  await it.send(sent)
  await start(it, {
    handlers: {
      deposited: batch(async (received, { trx }) => {
        for (const { id } of received) await trx.query('INSERT INTO effect (message_id) VALUES ($1)', [id])
        if (received.some(({ id }) => id === sent[20]?.id)) throw deadLetter('one of these')
      }),
    },
  })
  await it.drained()
  expect((await it.effects()).map((row) => row.message_id)).toEqual(others(sent, 20))
  expect(await it.deadLetters()).toMatchObject([{ message_id: sent[20]?.id, reason: 'HANDLER_GAVE_UP' }])
})

test('deliver tells skipped messages, and throws what a handler put off or gave up', async () => {
  const it = await open()
  const consumer = it.consumer({
    handlers: {
      deposited: ({ data }) => {
        if (data.account === 'skip') return skip('nothing to do')
        throw data.account === 'later' ? retryLater(10) : deadLetter('never')
      },
    },
  })
  const delivered = (account: string) => consumer.deliver({ type: 'deposited', data: { account, amount: 1 } })
  expect(await delivered('skip')).toEqual({ outcome: 'skipped', reason: 'nothing to do' })
  await expect(delivered('later')).rejects.toMatchObject({ name: 'HandlerOutcome', kind: 'retryLater' })
  await expect(delivered('never')).rejects.toMatchObject({ kind: 'deadLetter', message: 'never' })
})
