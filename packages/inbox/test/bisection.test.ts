import { pgDatabase } from '@oncebox/core/pg'
import { batch } from '@oncebox/inbox'
import type { TestDatabase } from '@oncebox/testkit/harness'
import { afterEach, expect, test } from 'vitest'
import { asConsumer, bench, businessDatabase, deposit } from './fixture.js'

let database: TestDatabase | undefined
const stops: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
  await database?.drop()
  database = undefined
})

/** Handles 1,000 messages as one batch, `bad` of which can never be handled, and counts the transactions it took. */
async function handled(bad: number | null, concurrency: number) {
  database = await businessDatabase()
  const it = await bench(database)
  const sent = Array.from({ length: 1000 }, (_, index) => deposit(`a${index % 50}`, index))
  await it.send(sent)
  const db = pgDatabase(asConsumer(database))
  let calls = 0
  let committed = 0
  const consumer = it.consumer({
    db,
    attempts: 1,
    poison: 'skip',
    concurrency,
    batchMessages: 1000,
    onEvent: (event) => {
      if (event.type === 'committed') committed++
    },
    handlers: {
      deposited: batch(async (messages, { trx }) => {
        calls++
        const rows = messages.map(({ id, data }) => ({ message_id: id, account: data.account, amount: data.amount }))
        await trx.query(
          `INSERT INTO effect (message_id, account, amount)
           SELECT message_id, account, amount FROM json_populate_recordset(null::effect, $1)`,
          [JSON.stringify(rows)],
        )
        if (messages.some(({ data }) => data.amount === bad)) throw new Error('poison')
      }),
    },
  })
  stops.push(() => consumer.stop())
  await consumer.start()
  await it.drained()
  const { failedAttempts } = consumer.counters()
  const effects = (await it.effects()).map((row) => row.message_id)
  const wanted = sent.filter((_, index) => index !== bad).map(({ id }) => id)
  return { it, effects, wanted, failedAttempts, committed, calls }
}

test.each([0, 1, 499, 500, 731, 999])(
  'of 1,000 messages of a batch handler, number %i is bad: 999 commit, at most 2·log2(1000) + 2 transactions more',
  async (bad) => {
    const { it, effects, wanted, failedAttempts, committed, calls } = await handled(bad, 1)
    expect(effects).toEqual(wanted)
    expect(await it.deadLetters()).toHaveLength(1)
    expect(failedAttempts).toBe(1)
    // Calls are the transactions with messages to run, failed or not; the burial is one without.
    const transactions = calls + 1
    expect(transactions).toBeGreaterThanOrEqual(committed)
    expect(transactions - 1).toBeLessThanOrEqual(2 * Math.log2(1000) + 2)
  },
)

test('without a bad message it is one transaction', async () => {
  const { effects, wanted, committed, calls } = await handled(null, 1)
  expect(effects).toEqual(wanted)
  expect({ committed, calls }).toEqual({ committed: 1, calls: 1 })
})

test('with lanes side by side the bad one costs no more than the bound, the lanes and the offset', async () => {
  const { effects, wanted, committed } = await handled(731, 4)
  expect([...effects].sort()).toEqual([...wanted].sort())
  expect(committed).toBeLessThanOrEqual(2 * Math.log2(1000) + 2 + 4 + 1)
})
