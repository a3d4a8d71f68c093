import { type TailCursor, type TailPage, tail, tailPublished } from '@oncebox/ops'
import { postgresVersions } from '@oncebox/testkit/harness'
import { describe, expect, test } from 'vitest'
import { asOperator, migratedDatabase, write } from './prepared.js'

const ids = (page: TailPage) => page.messages.map((message) => message.id)

describe.each(postgresVersions)('tail on Postgres %i', (version) => {
  test('the first call shows the newest messages, the next ones what was committed since', async () => {
    await using database = await migratedDatabase(version)
    const { pool } = database
    const written = await write(pool, 12, 'k1')
    const first = await tail(asOperator(database))
    expect(ids(first)).toEqual(written.slice(2))
    expect(first.messages[0]).toEqual({
      position: '3',
      id: written[2],
      topic: 'orders',
      key: 'k1',
      type: 'order.created',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
      bytes: 2,
    })
    const quiet = await tail(asOperator(database), { after: first.after })
    expect(quiet).toMatchObject({ messages: [], more: false })
    const more = await write(pool, 2)
    expect(ids(await tail(asOperator(database), { after: quiet.after }))).toEqual(more)
    expect(ids(await tail(asOperator(database), { limit: 0 }))).toEqual([])
  })

  test('an empty outbox has a cursor to follow from', async () => {
    await using database = await migratedDatabase(version)
    const start = await tail(asOperator(database))
    expect(start.messages).toEqual([])
    const written = await write(database.pool, 1)
    expect(ids(await tail(asOperator(database), { after: start.after }))).toEqual(written)
  })

  test('a message that commits late is shown when it commits, whatever was shown before', async () => {
    await using database = await migratedDatabase(version)
    const { pool } = database
    const late = await pool.connect()
    const idle = await pool.connect()
    try {
      let { after } = await tail(asOperator(database))
      await late.query('BEGIN')
      const lateIds = await write(late, 1)
      // This one has a transaction number at or above the snapshot's end, and has written nothing yet.
      await idle.query('BEGIN; SELECT pg_current_xact_id()')
      const early = await write(pool, 3)
      const seen = await tail(asOperator(database), { after })
      expect(ids(seen)).toEqual(early)
      after = seen.after
      await late.query('COMMIT')
      const idleIds = await write(idle, 1)
      const afterLate = await tail(asOperator(database), { after })
      expect(ids(afterLate)).toEqual(lateIds)
      await idle.query('COMMIT')
      expect(ids(await tail(asOperator(database), { after: afterLate.after }))).toEqual(idleIds)
    } finally {
      late.release(true)
      idle.release(true)
    }
  })

  test('pages of a large window show every message once, with late and new ones in between', async () => {
    await using database = await migratedDatabase(version)
    const { pool } = database
    const late = await pool.connect()
    try {
      await late.query('BEGIN')
      const written = await write(late, 5)
      let after: TailCursor = (await tail(asOperator(database))).after
      for (let transaction = 0; transaction < 20; transaction++) written.push(...(await write(pool, 1 + transaction)))
      const shown: string[] = []
      for (let call = 0; call < 200; call++) {
        const page: TailPage = await tail(asOperator(database), { after, limit: 7 })
        shown.push(...ids(page))
        after = page.after
        if (call === 3) await late.query('COMMIT')
        if (call === 5) written.push(...(await write(pool, 9)))
        if (!page.more && call > 5 && page.messages.length === 0) break
      }
      expect(shown).toHaveLength(written.length)
      expect(new Set(shown)).toEqual(new Set(written))
    } finally {
      late.release(true)
    }
  })

  test('following inside a transaction that writes is refused', async () => {
    await using database = await migratedDatabase(version)
    const client = await database.pool.connect()
    try {
      await client.query('BEGIN')
      expect((await tail(client)).messages).toEqual([])
      await write(client, 1)
      await expect(tail(client)).rejects.toMatchObject({ code: 'WINDOW_IN_TRANSACTION' })
    } finally {
      client.release(true)
    }
  })

  test('only what a filter lets through, among the newest and in windows larger than a page, and nothing is passed over', async () => {
    await using database = await migratedDatabase(version)
    const { pool } = database
    const tx = asOperator(database)
    const mixed = (count: number) =>
      pool.query(
        `INSERT INTO oncebox.outbox (id, source, topic, key, type, payload)
         SELECT gen_random_uuid(), 'shop', CASE WHEN i % 3 = 0 THEN 'orders' ELSE 'mails' END,
           CASE WHEN i % 5 = 0 THEN NULL ELSE 'k' || i % 5 END, CASE WHEN i % 2 = 0 THEN 'made' ELSE 'paid' END, ''
         FROM generate_series(1, $1::int) AS i`,
        [count],
      )
    const named = (page: TailPage) => page.messages.map(({ topic, key, type }) => `${topic} ${key} ${type}`)
    await mixed(30)
    const filter = { topic: 'orders', key: 'k1', type: 'made' }
    const first = await tail(tx, { filter })
    expect(named(first)).toEqual(['orders k1 made'])
    expect(
      (await tail(tx, { filter: { topic: 'orders' }, limit: 4 })).messages.map(({ position }) => position),
    ).toEqual(['21', '24', '27', '30'])
    await mixed(300)
    const seen: string[] = []
    let { after } = first
    for (let more = true; more; ) {
      const page = await tail(tx, { after, filter, limit: 3 })
      seen.push(...named(page))
      ;({ after, more } = page)
    }
    expect(seen).toEqual(Array(10).fill('orders k1 made'))
    await pool.query('INSERT INTO oncebox.relay_cursor (lane) VALUES (1)')
    const lanes = await Promise.all([0, 1].map((lane) => tail(tx, { filter: { lane }, limit: 1_000 })))
    expect(lanes.map(({ messages }) => messages.length).reduce((sum, each) => sum + each)).toBe(330)
    const keys = lanes.map(({ messages }) => new Set(messages.map(({ key }) => key)))
    expect([...(keys[0] as Set<string>)].filter((key) => keys[1]?.has(key))).toEqual([])
  })

  test('what is published is told with partition and offset, once, and a second publish is told again', async () => {
    await using database = await migratedDatabase(version)
    const { pool } = database
    const tx = asOperator(database)
    await pool.query(`INSERT INTO oncebox.pinned_topic (topic, partitions) VALUES ('orders', 1)`)
    const ids = await write(pool, 3, 'k')
    const note = (base: string | null) =>
      pool.query(
        `INSERT INTO oncebox.publication (first_position, last_position, base_offset, count, partition, lane, topic)
         VALUES (1, 3, $1, 3, 0, 0, 'orders')`,
        [base],
      )
    let { after, messages } = await tailPublished(tx)
    expect(messages).toEqual([])
    const next = async (filter = {}) => {
      const page = await tailPublished(tx, { after, filter })
      after = page.after
      return page.messages.map(({ id, published }) => [id, published.partition, published.offset])
    }
    expect(await next()).toEqual([])
    await note('40')
    expect(await next()).toEqual(ids.map((id, place) => [id, 0, `${40 + place}`]))
    expect(await next()).toEqual([])
    await note(null)
    expect(await next({ key: 'k', lane: 0, type: 'order.created' })).toEqual(ids.map((id) => [id, 0, null]))
    await note('60')
    expect(await next({ topic: 'mails' })).toEqual([])
  })
})
