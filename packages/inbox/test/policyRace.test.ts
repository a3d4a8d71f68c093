import type { PoisonPolicy } from '@oncebox/inbox'
import { until } from '@oncebox/testkit'
import type { TestDatabase } from '@oncebox/testkit/harness'
import { afterEach, expect, test } from 'vitest'
import { killing, ownDatabase, seeded } from './chaos.js'
import { bench, businessDatabase, deposit, depositInto } from './fixture.js'

let database: TestDatabase | undefined
const closes: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const close of closes.splice(0).reverse()) await close()
  await database?.drop()
  database = undefined
})

const workers = 8
const accounts = 40

// What is redriven and discarded meanwhile is in redriveRace.test.ts.
test.each([
  ['park', 3],
  ['skip', 1],
  ['skip', 3],
  ['block', 3],
] as const)(
  'G3, G4: policy %s, concurrency %i: 8 consumers, 1,000 messages twice, sessions killed at random',
  async (poison, concurrency) => {
    database = await businessDatabase()
    const it = await bench(database, { partitions: workers })
    const random = seeded(11)
    const sent = Array.from({ length: 1000 }, (_, index) => deposit(`a${index % accounts}`, index))
    const doomed = new Set(sent.filter((_, index) => index % 113 === 60).map(({ id }) => id as string))
    // Who blocks is let through in the end.
    let mended = false
    for (let worker = 0; worker < workers; worker++) {
      const consumer = it.consumer({
        db: ownDatabase(database, closes),
        poison,
        concurrency,
        attempts: 3,
        batchMessages: 40,
        redrivePollMs: 15,
        handlers: {
          deposited: async (message, context) => {
            await depositInto(message, context)
            if (!mended && doomed.has(message.id)) throw new Error('poison')
          },
        },
      })
      closes.push(() => consumer.stop())
      await consumer.start()
    }
    const stopKilling = killing(database, random)
    for (const [from, to] of [
      [0, 500],
      [500, 1000],
    ] as const) {
      const byPartition = Map.groupBy(sent.slice(from, to), ({ key }) => Number(key?.slice(1)) % workers)
      await Promise.all(
        [...byPartition].map(([partition, list]) => it.send([...list, ...list.slice().reverse()], partition)),
      )
    }
    const attempts = async () =>
      (await it.database.pool.query('SELECT count(*)::int AS held FROM oncebox.attempt WHERE attempts >= 3')).rows[0]
        .held
    if (poison === 'block')
      await until(async () => (await attempts()) > 0, { what: 'a blocked partition', deadlineMs: 60_000 })
    mended = poison === 'block'
    try {
      await Promise.all(Array.from({ length: workers }, (_, partition) => it.drained('bank', partition)))
    } finally {
      expect(await stopKilling()).toBeGreaterThan(0)
    }
    await it.settled()

    const effects = Map.groupBy(await it.effects(), ({ account }) => account)
    for (let account = 0; account < accounts; account++) {
      const own = sent.filter(({ key }) => key === `a${account}`).map(({ id }) => id as string)
      const first = own.findIndex((id) => doomed.has(id))
      const wanted = {
        block: own,
        skip: own.filter((id) => !doomed.has(id)),
        park: first === -1 ? own : own.slice(0, first),
      } satisfies Record<PoisonPolicy, string[]>
      expect((effects.get(`a${account}`) ?? []).map((row) => row.message_id)).toEqual(wanted[poison])
    }
    const letters = await it.deadLetters()
    expect(letters.map((row) => row.message_id).sort()).toEqual(poison === 'block' ? [] : [...doomed].sort())
    // A session killed between the count and the burial lets a message be tried once more.
    for (const { attempts: count } of letters) expect(count).toBeGreaterThanOrEqual(3)
  },
  180_000,
)
