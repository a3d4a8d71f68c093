import type { Tx } from '@oncebox/core'
import { fromPg } from '@oncebox/core/pg'
import {
  blockedKeys,
  discardDeadLetters,
  type FlowCounters,
  flowRates,
  groupDeadLetters,
  listDeadLetters,
  messageBody,
  planReplay,
  readFlow,
  replayStep,
  retryDeadLetters,
  searchMessages,
  timeline,
} from '@oncebox/ops'
import { postgresVersions, type TestDatabase } from '@oncebox/testkit/harness'
import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { asViewer, migratedDatabase, publishAll, remember, write } from './prepared.js'

const hourMs = 3_600_000
const lastHour = () => ({ fromMs: Date.now() - hourMs, toMs: Date.now() + hourMs })

describe.each(postgresVersions)('looking around, on Postgres %i', (version) => {
  let database: TestDatabase
  let client: pg.PoolClient
  let keyA: string[]
  let keyB: string[]

  beforeAll(async () => {
    database = await migratedDatabase(version)
    client = await database.pool.connect()
    keyA = await write(client, 30, 'a')
    await publishAll(client)
    keyB = await write(client, 5, 'b')
  })
  afterAll(async () => {
    client?.release()
    await database?.drop()
  })

  test('a search shows the newest first, page by page, each message once, with its state', async () => {
    const found: { id: string; state: string }[] = []
    let before: string | null | undefined
    for (let pages = 0; before !== null; pages++) {
      expect(pages).toBeLessThan(9)
      const page = await searchMessages(fromPg(client), {
        filter: lastHour(),
        limit: 8,
        ...(before === undefined ? {} : { before }),
      })
      found.push(...page.messages)
      before = page.before
    }
    expect(found.map(({ id }) => id)).toEqual([...keyA, ...keyB].reverse())
    expect(found.map(({ state }) => state)).toEqual([...Array(5).fill('waiting'), ...Array(30).fill('published')])
  })

  test('a search finds by topic, key, type and time, and nothing else', async () => {
    const search = async (filter: object) =>
      (await searchMessages(fromPg(client), { filter: { ...lastHour(), ...filter } })).messages.length
    expect(await search({ key: 'b' })).toBe(5)
    expect(await search({ key: 'b', topic: 'orders', type: 'order.created' })).toBe(5)
    expect(await search({ topic: 'others' })).toBe(0)
    expect(await search({ type: "order.created' OR true --" })).toBe(0)
    expect(await search({ fromMs: Date.now() - 3 * hourMs, toMs: Date.now() - 2 * hourMs })).toBe(0)
  })

  test('a search refuses what makes no sense', async () => {
    const refused = { code: 'INVALID_SETTING' }
    const tx = fromPg(client)
    await expect(searchMessages(tx, { filter: { fromMs: 2, toMs: 1 } })).rejects.toMatchObject(refused)
    await expect(searchMessages(tx, { filter: lastHour(), limit: 0 })).rejects.toMatchObject(refused)
    await expect(searchMessages(tx, { filter: lastHour(), before: '1; DROP' })).rejects.toMatchObject(refused)
  })

  test('a rare key in many messages takes several bounded pages, and every one is found', async () => {
    await using many = await migratedDatabase(version)
    await using session = {
      client: await many.pool.connect(),
      [Symbol.asyncDispose]: async () => session.client.release(),
    }
    const [first] = await write(session.client, 1, 'rare')
    await write(session.client, 150, 'often')
    const [last] = await write(session.client, 1, 'rare')
    const tx = fromPg(session.client)
    const search = { filter: { ...lastHour(), key: 'rare' }, lookAt: 100 }
    const page = await searchMessages(tx, search)
    expect(page.messages.map(({ id }) => id)).toEqual([last])
    expect(page.searchedBackTo).not.toBeNull()
    const rest = await searchMessages(tx, { ...search, before: page.before as string })
    expect(rest.messages.map(({ id }) => id)).toEqual([first])
    expect(rest).toMatchObject({ before: null, searchedBackTo: null })
  })

  test('copies of a message are found among the newest rows, and it is said how far back those reach', async () => {
    await using many = await migratedDatabase(version)
    await using session = {
      client: await many.pool.connect(),
      [Symbol.asyncDispose]: async () => session.client.release(),
    }
    const emit = async () =>
      (await session.client.query(`SELECT oncebox.emit('orders', 'k', 'note', 'text'::text) AS id`)).rows[0]
        .id as string
    const tx = fromPg(session.client)
    const id = await emit()
    const places = async (lookup: object) => {
      const { writes, searchedBackTo } = await timeline(tx, id, lookup)
      return { positions: writes.map(({ position }) => position), whole: searchedBackTo === null }
    }
    const plan = await planReplay(tx, { filter: { ...lastHour(), ids: [id] } })
    await replayStep(tx, plan, 10, new Set())
    await write(session.client, 20)
    expect(await places({ newest: 21 })).toEqual({ positions: ['1', '2'], whole: false })
    expect(await places({ newest: 20 })).toEqual({ positions: ['1', '2'], whole: false })
    expect(await places({ newest: 100 })).toEqual({ positions: ['1', '2'], whole: true })
    expect(await places({ everywhere: true })).toEqual({ positions: ['1', '2'], whole: true })
    // An id without a time is found among the newest rows, or with a look through everything.
    const [first] = await write(session.client, 30, 'v4')
    expect((await timeline(tx, first as string, { newest: 30 })).writes).toHaveLength(1)
    expect(await timeline(tx, first as string, { newest: 29 })).toMatchObject({
      writes: [],
      searchedBackTo: expect.any(String),
    })
    expect((await timeline(tx, first as string)).writes).toHaveLength(1)
  })

  test('the count of a replay is exact, or says that it is a part and of how much', async () => {
    const filter = { ...lastHour(), key: 'a' }
    expect(await planReplay(fromPg(client), { filter })).toMatchObject({ messages: 30, exact: true, estimate: 30 })
    const part = await planReplay(fromPg(client), { filter, lookAt: 16 })
    expect(part).toMatchObject({ messages: 15, exact: false, topics: [{ topic: 'orders', messages: 15 }] })
    expect(part.estimate).toBeGreaterThanOrEqual(30)
  })

  test('the body of a message has payload, headers and size, and stops where it is told to', async () => {
    const { rows } = await client.query(
      `SELECT oncebox.emit('orders', 'c', 'note', 'grüße'::text, '{"x-team": "blue"}') AS id`,
    )
    const [found] = (await searchMessages(fromPg(client), { filter: { ...lastHour(), key: 'c' } })).messages
    expect(found?.id).toBe(rows[0].id)
    const body = await messageBody(fromPg(client), found?.position as string)
    expect(body).toMatchObject({ bytes: 7, headers: { 'x-team': 'blue' }, contentType: 'text/plain; charset=utf-8' })
    expect(Buffer.from(body?.payload as string, 'base64').toString()).toBe('grüße')
    const cut = await messageBody(fromPg(client), found?.position as string, { maximumBytes: 3 })
    expect(cut).toMatchObject({ bytes: 7, payload: Buffer.from('grüße').subarray(0, 3).toString('base64') })
    expect(await messageBody(fromPg(client), '999999')).toBeNull()
    expect(await messageBody(fromPg(client), 'x')).toBeNull()
  })

  test('dead letters are grouped by what went wrong, and a blocked key names the one it waits behind', async () => {
    await client.query(`
      INSERT INTO oncebox.dead_letter
        (record_time, partition, attempts, consumer, source, message_id, topic, type, reason, headers, key, parks)
      SELECT now(), 0, 3, 'billing', 'shop', 'm' || n, 'orders', 'order.created',
        CASE WHEN n < 4 THEN 'HANDLER_FAILED' ELSE 'SCHEMA_MISMATCH' END, '[]', 'k1', n = 2
      FROM generate_series(1, 5) AS n;
      INSERT INTO oncebox.parked_key (consumer, topic, key_digest) VALUES ('billing', 'orders', sha256('k1'));
      INSERT INTO oncebox.parked_key (consumer, topic, key_digest, due_at)
        VALUES ('billing', 'orders', sha256('k2'), now() + interval '1 minute');
      INSERT INTO oncebox.parked_delivery (record_time, partition, consumer, source, message_id, topic, type, key, key_digest, headers)
        SELECT now(), 0, 'billing', 'shop', 'later' || n, 'orders', 'order.created', 'k1', sha256('k1'), '[]'
        FROM generate_series(1, 3) AS n`)
    expect(await groupDeadLetters(fromPg(client))).toMatchObject([
      { group: 'billing', reason: 'HANDLER_FAILED', letters: 3, parking: 1, retrying: 0 },
      { group: 'billing', reason: 'SCHEMA_MISMATCH', letters: 2, parking: 0 },
    ])
    expect(await blockedKeys(fromPg(client))).toMatchObject({
      relay: [],
      more: false,
      consumers: [
        { group: 'billing', waiting: 3, firstWaitingId: 'later1', dueAt: null, behind: { messageId: 'm2' } },
        { group: 'billing', waiting: 0, behind: null },
      ],
    })
    const keys = async (tx: Tx) => (await blockedKeys(tx, { keys: true })).consumers.map(({ key }) => key)
    expect(await keys(fromPg(client))).toEqual([Buffer.from('k1').toString('base64'), null])
    const viewer = await asViewer(database).connect()
    expect(await keys(fromPg(viewer))).toEqual([null, null])
    viewer.release()
    expect(await blockedKeys(fromPg(client), { limit: 1 })).toMatchObject({ more: true, consumers: [{ waiting: 3 }] })
  })

  test('dead letters are gone through from number to number: one that fails again meanwhile is not taken twice', async () => {
    const tx = fromPg(client)
    await client.query(`
      INSERT INTO oncebox.dead_letter
        (record_time, partition, attempts, consumer, source, message_id, topic, type, reason, headers)
      SELECT now(), 0, 3, 'shipping', 'shop', 'm' || n, 'orders', 'order.created', 'HANDLER_FAILED', '[]'
      FROM generate_series(1, 5) AS n`)
    const filter = { group: 'shipping' }
    const numbers = (await listDeadLetters(tx, { filter })).map(({ number }) => number)
    expect(numbers).toHaveLength(5)
    const decided = { filter, by: 'ann', limit: 2 }
    const asked: string[] = []
    for (let after: string | undefined = '0'; after !== undefined; ) {
      const step = await retryDeadLetters(tx, { ...decided, after })
      asked.push(...step)
      await client.query('UPDATE oncebox.dead_letter SET retry_at = NULL')
      after = step.at(-1)
      if (asked.length > numbers.length) break
    }
    expect(asked).toEqual(numbers)
    const why = 'closed'
    expect(await discardDeadLetters(tx, { ...decided, why, after: numbers[2] as string })).toEqual(numbers.slice(3))
    await expect(retryDeadLetters(tx, { ...decided, after: 'x' })).rejects.toMatchObject({ code: 'INVALID_SETTING' })
  })

  test('the flow counts what was written and handled, and times what was published', async () => {
    const { rows } = await client.query('SELECT max(position)::text AS position FROM oncebox.outbox')
    await client.query(
      `INSERT INTO oncebox.publication (first_position, last_position, base_offset, count, partition, lane, topic)
       VALUES ($1, $1, 0, 40, 0, 0, 'orders')`,
      [rows[0].position],
    )
    await client.query(`
      INSERT INTO oncebox.consumer_offset (consumer, topic, partition, next_offset)
      VALUES ('billing', 'orders', 0, 100), ('billing', 'orders', 1, 20)`)
    const flow = await readFlow(fromPg(client))
    expect(flow).toMatchObject({ written: rows[0].position, handled: { billing: '120' }, published: { messages: 40 } })
    expect(flow.published.p50Ms).toBeGreaterThan(0)
    expect(flow.published.p99Ms).toBeGreaterThan(0)
    for (let number = 0; number < 3; number++) await remember(client, 'mail')
    await client.query('SELECT pg_stat_force_next_flush()')
    const later = await readFlow(fromPg(client))
    expect(Number(later.effects) - Number(flow.effects)).toBe(3)
  })
})

const counters = (
  atMs: number,
  written: string,
  handled: Record<string, string>,
  effects: string | null,
): FlowCounters => ({
  atMs,
  written,
  handled,
  effects,
  published: { windowSeconds: 10, messages: 50, p50Ms: null, p99Ms: null },
})

test('rates are differences a second; what fell or was not there before counts as standing still', () => {
  const before = counters(1_000, '100', { billing: '10', audit: '9' }, '7')
  const after = counters(3_000, '300', { billing: '30', audit: '4', fresh: '500' }, '27')
  expect(flowRates(before, after)).toEqual({
    written: 100,
    published: 5,
    handled: { billing: 10, audit: 0, fresh: 0 },
    effects: 10,
  })
  expect(flowRates({ ...before, effects: null }, after).effects).toBeNull()
})
