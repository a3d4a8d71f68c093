import { createHash } from 'node:crypto'
import { fromPg } from '@oncebox/core/pg'
import { type ConsumerEvent, deadLetter } from '@oncebox/inbox'
import { discardDeadLetters, retryDeadLetters, showDeadLetter } from '@oncebox/ops'
import { tables } from '@oncebox/schema'
import { until } from '@oncebox/testkit'
import { postgresVersions, type TestDatabase } from '@oncebox/testkit/harness'
import { afterEach, describe, expect, test } from 'vitest'
import { readParked } from '../dist/parkedDeliveries.js'
import { asOperator, type Bench, bench, businessDatabase, deposit, depositInto, foreignDeposit } from './fixture.js'

describe.each(postgresVersions)('on Postgres %i', (version) => {
  let database: TestDatabase | undefined
  const stops: (() => Promise<void>)[] = []

  async function open(): Promise<Bench> {
    database = await businessDatabase(version)
    return bench(database)
  }

  async function start(it: Bench, overrides: Parameters<Bench['consumer']>[0] = {}) {
    const consumer = it.consumer({ redrivePollMs: 20, ...overrides })
    stops.push(() => consumer.stop())
    await consumer.start()
    return consumer
  }

  afterEach(async () => {
    for (const stop of stops.splice(0)) await stop()
    await database?.drop()
    database = undefined
  })

  test('the first messages of a key are read without those of other keys that wait', async () => {
    const it = await open()
    const { pool } = it.database
    await pool.query('ALTER TABLE oncebox.parked_delivery SET (autovacuum_enabled = false)')
    for (const [key, count] of Object.entries({ hot: 5_000, warm: 5_000 })) {
      await pool.query(
        `INSERT INTO oncebox.parked_delivery (
           record_time, partition, consumer, source, message_id, topic, type, key, key_digest, headers
         )
         SELECT now(), 0, 'bank', 'shop', $1 || n, 'accounts', 'deposited', $1::text::bytea, sha256($1::text::bytea), '[]'
         FROM generate_series(1, $2::int) AS n`,
        [key, count],
      )
    }
    const warm = { topic: 'accounts', digest: createHash('sha256').update('warm').digest('hex') }
    const client = await pool.connect()
    try {
      for (const state of ['never analyzed', 'analyzed']) {
        if (state === 'analyzed') await client.query('ANALYZE oncebox.parked_delivery')
        await client.query('BEGIN')
        const counter = async () => {
          const { rows } = await client.query(
            `SELECT (seq_tup_read + idx_tup_fetch)::int AS read FROM pg_stat_xact_user_tables WHERE relname = 'parked_delivery'`,
          )
          return rows[0].read
        }
        const before = await counter()
        const rows = await readParked(fromPg(client), tables(), 'bank', warm, 50)
        expect(rows.map(({ id }) => id)).toEqual(Array.from({ length: 50 }, (_, n) => `warm${n + 1}`))
        expect((await counter()) - before).toBeLessThan(100)
        await client.query('ROLLBACK')
      }
    } finally {
      client.release(true)
    }
  })

  /** Fails messages of the accounts in `poisoned`, after the effect. */
  const failing = (poisoned: ReadonlySet<string>) => ({
    deposited: async (
      message: Parameters<typeof depositInto>[0],
      context: Parameters<typeof depositInto>[1],
    ): Promise<void> => {
      await depositInto(message, context)
      if (poisoned.has(message.data.account)) throw new Error('poisoned')
    },
  })

  const byAccount = async (it: Bench) => {
    const lists = new Map<string, string[]>()
    for (const { account, message_id } of await it.effects()) {
      lists.set(account, [...(lists.get(account) ?? []), message_id])
    }
    return lists
  }

  const parkedRows = async (it: Bench) => {
    const { rows } = await it.database.pool.query(
      `SELECT (SELECT count(*)::int FROM oncebox.parked_key) AS keys,
         (SELECT count(*)::int FROM oncebox.parked_delivery) AS messages`,
    )
    return rows[0] as { keys: number; messages: number }
  }

  test('G4: of 100 keys 5 are poisoned: 95 finish in order at once, the 5 in order after a retry, each effect once', async () => {
    const it = await open()
    const sent = Array.from({ length: 1000 }, (_, index) => deposit(`a${index % 100}`, index))
    const poisoned = new Set(['a3', 'a21', 'a50', 'a77', 'a98'])
    await it.send([...sent, ...sent.slice(0, 300)])
    const consumer = await start(it, { attempts: 3, handlers: failing(poisoned) })
    await it.drained()
    const wanted = (account: string) => sent.filter(({ key }) => key === account).map(({ id }) => id)
    const others = [...new Set(sent.map(({ key }) => key as string))].filter((account) => !poisoned.has(account))
    let effects = await byAccount(it)
    expect([...effects.keys()].sort()).toEqual(others.sort())
    for (const account of others) expect(effects.get(account)).toEqual(wanted(account))

    await it.settled()
    expect((await it.deadLetters()).map((row) => row.attempts)).toEqual([3, 3, 3, 3, 3])
    expect(await parkedRows(it)).toEqual({ keys: 5, messages: 45 })
    poisoned.clear()
    const retried = await retryDeadLetters(asOperator(it.database), {
      filter: { group: 'bank' },
      by: 'ann',
      why: 'mended',
    })
    expect(retried).toHaveLength(5)
    await it.settled()
    effects = await byAccount(it)
    for (const account of ['a3', 'a21', 'a50', 'a77', 'a98']) expect(effects.get(account)).toEqual(wanted(account))
    expect(await it.effects()).toHaveLength(1000)
    expect(await it.deadLetters()).toEqual([])
    expect(await parkedRows(it)).toEqual({ keys: 0, messages: 0 })
    expect(consumer.counters()).toMatchObject({ handled: 950, redriven: 50, parked: 50, duplicates: 300 })
    const { rows } = await it.database.pool.query(
      'SELECT action, done_by, why FROM oncebox.dead_letter_action ORDER BY number',
    )
    expect(rows.filter(({ action }) => action === 'retry')).toEqual(
      Array(5).fill({ action: 'retry', done_by: 'ann', why: 'mended' }),
    )
    expect(rows.filter(({ action }) => action === 'retried')).toHaveLength(5)
  }, 120_000)

  test('a failing key waits beside the stream: with minutes of backoff the other keys of its partition finish at once', async () => {
    const it = await open()
    const sent = Array.from({ length: 50 }, (_, index) => deposit(`a${index % 10}`, index))
    await it.send(sent)
    await start(it, { backoff: { minMs: 600_000, maxMs: 600_000 }, handlers: failing(new Set(['a4'])) })
    await it.drained()
    expect(await it.effects()).toHaveLength(45)
    expect(await parkedRows(it)).toEqual({ keys: 1, messages: 5 })
  })

  test('a second copy of a message that waits beside the stream leaves its count of attempts as it is', async () => {
    const it = await open()
    const [bad, other] = [deposit('a'), deposit('b')]
    await it.send([bad])
    await start(it, { backoff: { minMs: 600_000, maxMs: 600_000 }, handlers: failing(new Set(['a'])) })
    await it.drained()
    await it.send([bad, other])
    await it.drained()
    const { rows } = await it.database.pool.query('SELECT message_id, attempts FROM oncebox.attempt')
    expect(rows).toEqual([{ message_id: bad.id, attempts: 1 }])
  })

  test('a message that fails in passing is told its attempts, then happens once, before the later ones of its key', async () => {
    const it = await open()
    const sent = Array.from({ length: 12 }, (_, index) => deposit(`a${index % 2}`, index))
    await it.send(sent)
    const attempts: number[] = []
    const consumer = await start(it, {
      handlers: {
        deposited: async (message, context) => {
          await depositInto(message, context)
          if (message.id !== sent[2]?.id) return
          attempts.push(context.attempt)
          if (context.attempt <= 3) throw new Error('not yet')
        },
      },
    })
    await it.drained()
    await it.settled()
    expect(attempts).toEqual([1, 2, 3, 4])
    for (const account of ['a0', 'a1']) {
      const own = sent.filter(({ key }) => key === account).map(({ id }) => id)
      expect((await byAccount(it)).get(account)).toEqual(own)
    }
    expect(consumer.counters()).toMatchObject({ failedAttempts: 3, deadLettered: 0 })
    expect((await it.database.pool.query('SELECT FROM oncebox.attempt')).rows).toHaveLength(0)
  })

  test('a retry that fails is a dead letter again, in its place; its followers still wait, and so do new ones', async () => {
    const it = await open()
    const sent = Array.from({ length: 4 }, (_, index) => deposit('a', index))
    const poisoned = new Set(['a'])
    await it.send(sent)
    const consumer = await start(it, { attempts: 2, handlers: failing(poisoned) })
    await it.drained()
    await it.settled()
    const [before] = (await it.database.pool.query('SELECT number FROM oncebox.dead_letter')).rows
    await retryDeadLetters(asOperator(it.database), { filter: { numbers: [before.number] }, by: 'ann' })
    await it.settled()
    const again = await showDeadLetter(asOperator(it.database), before.number)
    expect(again).toMatchObject({ messageId: sent[0]?.id, attempts: 3, retrying: false, waiting: 3 })
    expect(again?.history).toHaveLength(3)
    expect(again?.actions.map(({ action, by }) => [action, by])).toEqual([
      ['retry', 'ann'],
      ['failed', 'ann'],
    ])
    sent.push(deposit('a', 4))
    await it.send(sent.slice(4))
    await it.drained()
    expect(await it.effects()).toEqual([])
    expect(await parkedRows(it)).toEqual({ keys: 1, messages: 4 })
    poisoned.clear()
    await retryDeadLetters(asOperator(it.database), { filter: { numbers: [before.number] }, by: 'ann' })
    await it.settled()
    expect((await it.effects()).map((row) => row.message_id)).toEqual(sent.map(({ id }) => id))
    expect(consumer.counters().redriven).toBe(5)
  })

  test('a retry asked for twice, by two consumers’ worth of hands, runs once; after it there is nothing to retry', async () => {
    const it = await open()
    await it.send([deposit('a')])
    const poisoned = new Set(['a'])
    for (let count = 0; count < 2; count++) await start(it, { attempts: 1, handlers: failing(poisoned) })
    await it.drained()
    await it.settled()
    poisoned.clear()
    const ask = () => retryDeadLetters(asOperator(it.database), { filter: {}, by: 'ann' })
    const asked = await Promise.all([ask(), ask(), ask()])
    expect(asked.flat()).toHaveLength(1)
    await it.settled()
    expect(await ask()).toEqual([])
    expect(await it.effects()).toHaveLength(1)
  })

  test('G3: a message past the horizon runs when it is retried, and once, however often it comes and is retried', async () => {
    const it = await open()
    const old = { ...deposit('a'), id: '018cc251-f400-7000-8000-000000000001' }
    const late = [old, deposit('a')]
    await it.send(late)
    await start(it)
    await it.drained()
    expect(await it.deadLetters()).toMatchObject([{ message_id: old.id, reason: 'MESSAGE_PAST_HORIZON' }])
    // Nobody waits behind a late message.
    expect((await it.effects()).map((row) => row.message_id)).toEqual([late[1]?.id])
    await retryDeadLetters(asOperator(it.database), { filter: { reason: 'MESSAGE_PAST_HORIZON' }, by: 'ann' })
    await it.settled()
    await it.send([old])
    await it.drained()
    await retryDeadLetters(asOperator(it.database), { filter: {}, by: 'ann' })
    await it.settled()
    expect((await it.effects()).map((row) => row.message_id)).toEqual([late[1]?.id, old.id])
  })

  test('a discard needs a reason, is kept with it, and releases the followers in order; twice changes nothing', async () => {
    const it = await open()
    const sent = Array.from({ length: 4 }, (_, index) => deposit('a', index))
    await it.send(sent)
    await start(it, {
      handlers: {
        deposited: async (message, context) => {
          if (message.data.amount === 0) throw deadLetter('closed account')
          await depositInto(message, context)
        },
      },
    })
    await it.drained()
    const { pool } = it.database
    const discard = (why: string) =>
      discardDeadLetters(asOperator(it.database), { filter: { type: 'deposited' }, by: 'ann', why })
    await expect(discard(' ')).rejects.toMatchObject({ code: 'INVALID_SETTING' })
    const client = await asOperator(it.database).connect()
    await client.query('BEGIN')
    const numbers = await discardDeadLetters(client, { filter: {}, by: 'ann', why: 'closed in May' })
    await client.query('COMMIT')
    client.release()
    expect(numbers).toHaveLength(1)
    await it.settled()
    expect((await it.effects()).map((row) => row.message_id)).toEqual(sent.slice(1).map(({ id }) => id))
    expect(await discard('again')).toEqual([])
    const { rows } = await pool.query('SELECT action, done_by, why, message_id FROM oncebox.dead_letter_action')
    expect(rows).toEqual([{ action: 'discard', done_by: 'ann', why: 'closed in May', message_id: sent[0]?.id }])
    expect(await parkedRows(it)).toEqual({ keys: 0, messages: 0 })
  })

  test('policies by type: one is parked, one is skipped; a third blocks its partition until it is handled', async () => {
    const it = await open()
    let refusing = true
    const events: ConsumerEvent[] = []
    const parked = [deposit('a', 1), deposit('a', 2)]
    const skipped = [1, 2].map((amount) => ({
      ...deposit('b', amount),
      type: 'viewed',
      data: { page: String(amount) },
    }))
    const blocking = { ...deposit('c'), type: 'erased', data: null }
    await it.send([...parked, ...skipped, blocking, deposit('d')])
    await start(it, {
      attempts: 2,
      poison: { '*': 'park', viewed: 'skip', erased: 'block' },
      onEvent: (event) => events.push(event),
      handlers: {
        deposited: async (message, context) => {
          if (message.data.amount === 1 && message.data.account === 'a') throw new Error('poison')
          await depositInto(message, context)
        },
        viewed: async (message, { trx }) => {
          if (message.data.page === '1') throw new Error('poison')
          await trx.query("INSERT INTO effect (message_id, account) VALUES ($1, 'b')", [message.id])
        },
        erased: async (message, { trx }) => {
          if (refusing) throw new Error('poison')
          await trx.query("INSERT INTO effect (message_id, account) VALUES ($1, 'c')", [message.id])
        },
      },
    })
    await until(() => events.filter((event) => event.type === 'blocked').length >= 3, { what: 'the block' })
    await it.settled()
    expect((await it.effects()).map((row) => row.message_id)).toEqual([skipped[1]?.id])
    refusing = false
    await it.drained()
    expect((await it.effects()).map((row) => row.account)).toEqual(['b', 'c', 'd'])
    expect((await it.deadLetters()).map((row) => row.message_id).sort()).toEqual([parked[0]?.id, skipped[0]?.id].sort())
    expect(await parkedRows(it)).toEqual({ keys: 1, messages: 1 })
  })

  test('messages without a key have no followers, and ids that are not ours park as well', async () => {
    const it = await open()
    const { key: _key, ...keyless } = deposit('none')
    const sent = [keyless, { ...keyless, id: deposit('x').id as string, data: { account: 'ok', amount: 1 } }]
    const foreign = [foreignDeposit('f', 1), foreignDeposit('f', 2), foreignDeposit('f', 1)]
    await it.send([...sent, ...foreign])
    const poisoned = new Set(['none', 'f'])
    await start(it, { attempts: 2, handlers: failing(poisoned) })
    await it.drained()
    await it.settled()
    expect((await it.effects()).map((row) => row.account)).toEqual(['ok'])
    expect(await parkedRows(it)).toEqual({ keys: 1, messages: 1 })
    poisoned.clear()
    await retryDeadLetters(asOperator(it.database), { filter: {}, by: 'ann' })
    await it.settled()
    expect((await byAccount(it)).get('f')).toEqual(foreign.slice(0, 2).map(({ id }) => id))
    expect(await it.effects()).toHaveLength(4)
  })

  test('what does not fit its schema parks its key too, and a retry with the mended contract handles all of it', async () => {
    const it = await open()
    const odd = { ...deposit('a'), data: { account: 7 } }
    const sent = [odd, deposit('a', 2), deposit('b', 3)]
    await it.send(sent)
    await start(it, { attempts: 2 })
    await it.drained()
    expect(await it.deadLetters()).toMatchObject([{ message_id: odd.id, reason: 'SCHEMA_MISMATCH' }])
    expect((await it.effects()).map((row) => row.account)).toEqual(['b'])
    await retryDeadLetters(asOperator(it.database), { filter: {}, by: 'ann' })
    await it.settled()
    expect(await it.deadLetters()).toMatchObject([{ message_id: odd.id, reason: 'SCHEMA_MISMATCH' }])
    const client = await asOperator(it.database).connect()
    await client.query('BEGIN')
    await discardDeadLetters(client, { filter: {}, by: 'ann', why: 'unreadable' })
    await client.query('COMMIT')
    client.release()
    await it.settled()
    expect((await it.effects()).map((row) => row.account)).toEqual(['b', 'a'])
  })
})
