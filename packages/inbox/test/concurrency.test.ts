import { batch } from '@oncebox/inbox'
import { until } from '@oncebox/testkit'
import type { TestDatabase } from '@oncebox/testkit/harness'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import type { Item } from '../dist/decode.js'
import type { Failure } from '../dist/failure.js'
import { lanesOf } from '../dist/lanes.js'
import { worstOf } from '../dist/tryLanes.js'
import { type Bench, bench, businessDatabase, consumerUrl, deposit, depositInto, type Sending } from './fixture.js'

describe('the plan of what runs side by side', () => {
  const record = { topic: 't', partition: 0, offset: '0', timestamp: 0, value: null, headers: [] }
  const itemOf = ({ key, id, done }: { key: number | null; id: number; done: boolean }, index: number): Item => ({
    index,
    record: { ...record, key: key === null ? null : Buffer.from([0xff, key]) },
    id: { kind: 'ring', id: String(id), source: '', identity: String(id), timeMs: 0 },
    type: 'any',
    contentType: null,
    verdict: done ? { kind: 'done' } : { kind: 'skip', reason: '' },
  })
  const message = fc.record({ key: fc.option(fc.nat(9), { nil: null }), id: fc.nat(30), done: fc.boolean() })

  test('G4: each item is in one lane, all of a key in the same one and in order; lanes differ by the longest key at most', () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 60 }), fc.integer({ min: 1, max: 8 }), (list, most) => {
        const items = list.map(itemOf)
        const lanes = lanesOf(items, most)
        expect(lanes.length).toBeLessThanOrEqual(most)
        const open = items.filter(({ verdict }) => verdict.kind !== 'done')
        expect(
          lanes
            .flat()
            .map(({ index }) => index)
            .sort((a, b) => a - b),
        ).toEqual(open.map(({ index }) => index))
        const laneOf = new Map<string, number>()
        for (const [number, lane] of lanes.entries()) {
          expect(lane.length).toBeGreaterThan(0)
          expect(lane.map(({ index }) => index)).toEqual(lane.map(({ index }) => index).sort((a, b) => a - b))
          for (const { record: at, id } of lane) {
            const key = at.key === null ? `id ${id.identity}` : `key ${at.key[1]}`
            expect(laneOf.get(key) ?? number).toBe(number)
            laneOf.set(key, number)
          }
        }
        // With as many keys as lanes, no lane stays empty.
        expect(lanes.length).toBe(Math.min(most, laneOf.size))
      }),
    )
  })

  test('of several failures the one to go on from is the gravest, and of messages that failed the first', () => {
    const suspects = (...list: number[]): Failure => ({
      ...{ kind: 'suspects', suspects: list, swallowed: false, outcome: null, repeated: null, error: null },
    })
    const conflict: Failure = { kind: 'conflict', ran: [1, 2], error: null }
    expect(worstOf([null, null])).toBeNull()
    expect(worstOf([suspects(7), null, suspects(3, 9), suspects(4)])).toEqual(suspects(3, 9))
    expect(worstOf([suspects(0), conflict])).toBe(conflict)
    expect(worstOf([conflict, { kind: 'abandoned' }, { kind: 'unavailable', error: null }])).toEqual({
      kind: 'abandoned',
    })
  })
})

describe('a consumer that handles keys side by side', () => {
  let database: TestDatabase | undefined
  const stops: (() => Promise<void>)[] = []

  async function open(): Promise<Bench> {
    database = await businessDatabase()
    return bench(database)
  }

  async function start(it: Bench, overrides: Parameters<Bench['consumer']>[0] = {}) {
    const consumer = it.consumer({ concurrency: 4, redrivePollMs: 20, ...overrides })
    stops.push(() => consumer.stop())
    await consumer.start()
    return consumer
  }

  afterEach(async () => {
    for (const stop of stops.splice(0)) await stop()
    await database?.drop()
    database = undefined
  })

  const byAccount = async (it: Bench) => Map.groupBy(await it.effects(), ({ account }) => account)
  const wanted = (sent: readonly Sending[], account: string) =>
    sent.filter(({ key }) => key === account).map(({ id }) => id)

  test('G4: four keys of a partition run at the same time, each in its own transaction and in order', async () => {
    const it = await open()
    const sent = Array.from({ length: 40 }, (_, index) => deposit(`a${index % 4}`, index))
    await it.send(sent)
    const inside = new Set<string>()
    const together = Promise.withResolvers<void>()
    const transactions = new Map<string, Set<string>>()
    const consumer = await start(it, {
      handlers: {
        deposited: async (message, context) => {
          const { account } = message.data
          inside.add(account)
          if (inside.size === 4) together.resolve()
          await together.promise
          const { rows } = await context.trx.query('SELECT pg_current_xact_id()::text AS id')
          transactions.set(account, (transactions.get(account) ?? new Set()).add(rows[0].id))
          await depositInto(message, context)
        },
      },
    })
    await it.drained()
    expect([...transactions.values()].map((own) => own.size)).toEqual([1, 1, 1, 1])
    expect(new Set([...transactions.values()].flatMap((own) => [...own])).size).toBe(4)
    const effects = await byAccount(it)
    for (const account of ['a0', 'a1', 'a2', 'a3']) {
      expect(effects.get(account)?.map((row) => row.message_id)).toEqual(wanted(sent, account))
    }
    // Four lanes, and the offset.
    expect(consumer.counters()).toMatchObject({ handled: 40, duplicates: 0, transactions: 5 })
    expect(await it.storedOffset()).toBe('40')
  })

  test('G1, G3: the offset waits for all of them: what is lost half-way comes again, and runs once', async () => {
    const it = await open()
    const sent = Array.from({ length: 12 }, (_, index) => deposit(`a${index % 3}`, index))
    await it.send(sent)
    let blocked = true
    const entered = Promise.withResolvers<void>()
    const consumer = await start(it, {
      handlers: {
        deposited: async (message, context) => {
          await depositInto(message, context)
          if (!blocked || message.data.account !== 'a1') return
          entered.resolve()
          await new Promise((resolve) => context.signal.addEventListener('abort', resolve))
        },
      },
    })
    await entered.promise
    await until(async () => (await it.effects()).length === 8, { what: 'the other two lanes to commit' })
    expect(await it.storedOffset()).toBeUndefined()
    expect(it.transport.committed('bank', 'accounts', 0)).toBe(0)
    blocked = false
    it.transport.disconnect()
    it.transport.reconnect()
    await it.drained()
    const effects = await byAccount(it)
    for (const account of ['a0', 'a1', 'a2']) {
      expect(effects.get(account)?.map((row) => row.message_id)).toEqual(wanted(sent, account))
    }
    expect(await it.effects()).toHaveLength(12)
    expect(await it.storedOffset()).toBe('12')
    expect(consumer.counters()).toMatchObject({ handled: 12, duplicates: 8 })
  })

  test.each([
    ['park', 'a handler a message'],
    ['park', 'a batch handler'],
    ['skip', 'a handler a message'],
    ['skip', 'a batch handler'],
  ] as const)(
    'G4: with policy %s and %s, two bad keys among ten: all others once and in order',
    async (poison, how) => {
      const it = await open()
      const sent = Array.from({ length: 200 }, (_, index) => deposit(`a${index % 10}`, index))
      const bad = new Set([sent[52]?.id, sent[117]?.id, sent[119]?.id])
      await it.send([...sent, ...sent.slice(150)])
      const one = async (message: Parameters<typeof depositInto>[0], context: Parameters<typeof depositInto>[1]) => {
        await depositInto(message, context)
        if (bad.has(message.id)) throw new Error('poison')
      }
      const consumer = await start(it, {
        poison,
        attempts: 2,
        handlers: {
          deposited:
            how === 'a batch handler'
              ? batch(async (received, context) => {
                  for (const message of received) await one(message, { ...context, attempt: 1 })
                })
              : one,
        },
      })
      await it.drained()
      await it.settled()
      const effects = await byAccount(it)
      for (let account = 0; account < 10; account++) {
        const own = wanted(sent, `a${account}`)
        const from = own.findIndex((id) => bad.has(id))
        const handled = from === -1 ? own : poison === 'park' ? own.slice(0, from) : own.filter((id) => !bad.has(id))
        expect(effects.get(`a${account}`)?.map((row) => row.message_id)).toEqual(handled)
      }
      expect(new Set((await it.deadLetters()).map((row) => row.message_id))).toEqual(bad)
      const { handled, duplicates, parked } = consumer.counters()
      expect(handled).toBe((await it.effects()).length)
      if (poison === 'park') expect(duplicates).toBe(50)
      expect(handled + parked + (poison === 'park' ? 0 : bad.size)).toBe(200)
    },
  )

  test('lanes that meet at the same rows become fewer, count for nobody, and every effect happens once', async () => {
    const it = await open()
    const { pool, name } = it.database
    await pool.query(`ALTER DATABASE ${name} SET deadlock_timeout = '20ms'`)
    await pool.query("INSERT INTO balance VALUES ('x', 0), ('y', 0)")
    const sent = Array.from({ length: 60 }, (_, index) => deposit(`a${index % 4}`, index))
    await it.send(sent)
    let inside = 0
    const both = Promise.withResolvers<void>()
    const consumer = await start(it, {
      db: (await import('@oncebox/core/pg')).pgDatabase(await freshPool(it)),
      handlers: {
        deposited: async (message, { trx }) => {
          const add = 'UPDATE balance SET amount = amount + 1 WHERE account = $1'
          const order = message.data.amount % 2 === 0 ? ['x', 'y'] : ['y', 'x']
          await trx.query(add, [order[0]])
          if (++inside === 2) both.resolve()
          await both.promise
          await trx.query(add, [order[1]])
        },
      },
    })
    await it.drained()
    const { rows } = await pool.query('SELECT account, amount::int FROM balance ORDER BY account')
    expect(rows).toEqual([
      { account: 'x', amount: 60 },
      { account: 'y', amount: 60 },
    ])
    expect(consumer.counters()).toMatchObject({ failedAttempts: 0, deadLettered: 0 })
    expect(consumer.counters().conflicts).toBeGreaterThan(0)
  })

  test('as many lanes as wanted, half as many after a conflict, and more again after many commits', async () => {
    const it = await open()
    let conflicts = false
    const consumer = await start(it, {
      handlers: {
        deposited: async (message, context) => {
          if (conflicts && message.data.account === 'a0') {
            conflicts = false
            await context.trx.query(`DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$`)
          }
          await depositInto(message, context)
        },
      },
    })
    /** How many transactions so many messages took, each key with as many of them. */
    const transactionsOf = async (count: number, keys: number) => {
      const before = consumer.counters().transactions
      await it.send(Array.from({ length: count }, (_, index) => deposit(`a${index % keys}`, index)))
      await it.drained()
      return consumer.counters().transactions - before
    }
    const offset = 1
    expect(await transactionsOf(40, 8)).toBe(4 + offset)
    // Only its own key is left to try again, which is no lane beside others.
    conflicts = true
    await transactionsOf(40, 4)
    expect(consumer.counters()).toMatchObject({ conflicts: 1, failedAttempts: 0 })
    for (let batches = 0; batches < 16; batches++) expect(await transactionsOf(4, 4)).toBe(2 + offset)
    expect(await transactionsOf(4, 4)).toBe(3 + offset)
    expect(await it.effects()).toHaveLength(40 + 40 + 17 * 4)
  })

  /** Connections that were opened after the database's settings were changed. */
  async function freshPool(it: Bench) {
    const pool = new (await import('pg')).default.Pool({ connectionString: consumerUrl(it.database), max: 8 })
    stops.push(() => pool.end())
    return pool
  }
})
