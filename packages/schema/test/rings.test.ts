import { inboxRing, inboxSlotOf, migrate, outboxRing, tables } from '@oncebox/schema'
import { postgresVersions, testDatabase } from '@oncebox/testkit/harness'
import type pg from 'pg'
import { describe, expect, test } from 'vitest'
import { sessions } from './sessions.js'

async function leaves(client: pg.Client, parent: string): Promise<{ name: string; bound: string }[]> {
  const { rows } = await client.query(
    `SELECT class.relname AS name, pg_get_expr(class.relpartbound, class.oid) AS bound
     FROM pg_inherits JOIN pg_class AS class ON class.oid = inhrelid
     WHERE inhparent = $1::regclass ORDER BY length(class.relname), class.relname`,
    [parent],
  )
  return rows
}

/** A UUIDv7 that carries `unixMs`. */
function idAt(unixMs: number): string {
  const hex = unixMs.toString(16).padStart(12, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`
}

describe.each(postgresVersions)('rings on Postgres %i', (version) => {
  test('the rings in the code are the rings in the database', async () => {
    await using database = await testDatabase({ version })
    await using open = sessions(database.url)
    const client = await open.open()
    await migrate(client)
    const names = tables()
    const bounds = (list: readonly string[]) => list.map((name, slot) => ({ name, bound: `FOR VALUES IN ('${slot}')` }))
    expect(await leaves(client, names.outbox)).toEqual([
      ...bounds(outboxRing.leaves),
      { name: outboxRing.defaultLeaf, bound: 'DEFAULT' },
    ])
    expect(await leaves(client, names.inbox)).toEqual(bounds(inboxRing.leaves))
    const { rows } = await client.query(
      'SELECT seqmin::int AS first, seqmax::int AS last FROM pg_sequence WHERE seqrelid = $1::regclass',
      [names.outboxSlot],
    )
    expect(rows).toEqual([{ first: 0, last: outboxRing.slots - 1 }])
  })

  test('the slot of an id is the day inside it, modulo the ring, in SQL as in the code', async () => {
    await using database = await testDatabase({ version })
    await using open = sessions(database.url)
    const client = await open.open()
    await migrate(client)
    const day = inboxRing.widthMs
    const start = Date.UTC(2026, 10, 22)
    const times = [0, 1, day - 1, day, 2 ** 48 - 1]
    for (let days = 0; days < 2 * inboxRing.slots; days++) times.push(start + days * day, start + (days + 1) * day - 1)
    const { rows } = await client.query(
      `SELECT oncebox.inbox_slot(id::uuid)::int AS slot, oncebox.uuid_time(id::uuid)::text AS time
       FROM json_array_elements_text($1::json) WITH ORDINALITY AS given (id, number) ORDER BY number`,
      [JSON.stringify(times.map(idAt))],
    )
    expect(rows).toEqual(times.map((time) => ({ slot: inboxSlotOf(time), time: String(time) })))
  })

  test('an id can only land in its own leaf, and the second insert of it is skipped', async () => {
    await using database = await testDatabase({ version })
    await using open = sessions(database.url)
    const client = await open.open()
    await migrate(client)
    const ids = Array.from({ length: inboxRing.slots }, (_, days) => idAt(Date.UTC(2026, 10, 22 + days)))
    const insert = `INSERT INTO oncebox.inbox (consumer, message_id)
      SELECT 'billing', id::uuid FROM json_array_elements_text($1::json) AS given (id) ORDER BY id
      ON CONFLICT DO NOTHING RETURNING tableoid::regclass::text AS leaf`
    const first = await client.query(insert, [JSON.stringify(ids)])
    expect(new Set(first.rows.map((row) => row.leaf)).size).toBe(inboxRing.slots)
    expect((await client.query(insert, [JSON.stringify(ids)])).rows).toEqual([])
    const wrong = client.query(`INSERT INTO oncebox.inbox_0 SELECT 'other', id FROM oncebox.inbox_1 AS one (c, id)`)
    const wrongOther = client.query(
      `INSERT INTO oncebox.inbox_1 SELECT 'other', id FROM oncebox.inbox_0 AS zero (c, id)`,
    )
    await expect(wrong).rejects.toMatchObject({ code: '23514' })
    await expect(wrongOther).rejects.toMatchObject({ code: '23514' })
    await expect(
      client.query(`UPDATE oncebox.inbox_1 SET message_id = (SELECT message_id FROM oncebox.inbox_0)`),
    ).rejects.toMatchObject({ code: '23514' })
  })
})
