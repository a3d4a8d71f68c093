import { type TailCursor, type TailPage, tail } from '@oncebox/ops'
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
})
