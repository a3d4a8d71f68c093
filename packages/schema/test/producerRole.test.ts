import { migrate } from '@oncebox/schema'
import { postgresVersions, type TestDatabase, testDatabase, uniqueName } from '@oncebox/testkit/harness'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { outcome, type Sessions, sessions } from './sessions.js'

const producerColumns = 'id, source, topic, key, type, content_type, headers, payload'
const emit = `SELECT oncebox.emit('t', 'k', 'y', '1'::jsonb)`
const insert = `INSERT INTO oncebox.outbox (${producerColumns}) VALUES (gen_random_uuid(), 's', 't', 'k', 'y', NULL, NULL, NULL)`
const denied = '42501'

describe.each(postgresVersions)('a role with the rights of a producer, on Postgres %i', (version) => {
  const producer = uniqueName('producer')
  let database: TestDatabase
  let open: Sessions
  let client: Awaited<ReturnType<Sessions['open']>>

  beforeAll(async () => {
    database = await testDatabase({ version })
    await using migrating = sessions(database.url)
    const owner = await migrating.open()
    await migrate(owner)
    // Whatever PUBLIC may do by default is taken away first: what is granted here is all a producer needs.
    await owner.query(`
      CREATE ROLE ${producer};
      REVOKE ALL ON ALL FUNCTIONS IN SCHEMA oncebox FROM PUBLIC;
      GRANT USAGE ON SCHEMA oncebox TO ${producer};
      GRANT INSERT (${producerColumns}) ON oncebox.outbox TO ${producer};
      GRANT SELECT ON SEQUENCE oncebox.outbox_slot TO ${producer};
      GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA oncebox TO ${producer};
      REVOKE EXECUTE ON FUNCTION oncebox.inbox_slot FROM ${producer}`)
  })
  afterAll(async () => {
    await database?.pool.query(`DROP OWNED BY ${producer}; DROP ROLE ${producer}`)
    await database?.drop()
  })
  beforeEach(async () => {
    open = sessions(database.url)
    client = await open.open()
    await client.query('TRUNCATE oncebox.outbox')
    await client.query(`SET ROLE ${producer}`)
    return () => open[Symbol.asyncDispose]()
  })

  const written = async () => {
    await client.query('RESET ROLE')
    const { rows } = await client.query(
      'SELECT tableoid::regclass::text AS leaf, slot, position IS NOT NULL AS placed FROM oncebox.outbox',
    )
    return rows
  }

  test('emit and the plain INSERT work', async () => {
    expect(await outcome(client.query(emit))).toBe('done')
    expect(await outcome(client.query(insert))).toBe('done')
    const row = { leaf: 'oncebox.outbox_0', slot: 0, placed: true }
    expect(await written()).toEqual([row, row])
  })

  test.each(['position', 'xid', 'slot', 'created_at'])('%s is not for a producer to write', async (column) => {
    const value = column === 'created_at' ? 'now()' : column === 'xid' ? `'5'` : '5'
    const overriding = column === 'position' ? 'OVERRIDING SYSTEM VALUE' : ''
    const statement = `INSERT INTO oncebox.outbox (id, source, topic, type, ${column}) ${overriding}
      VALUES (gen_random_uuid(), 's', 't', 'y', ${value})`
    expect(await outcome(client.query(statement))).toBe(denied)
  })

  test.each([
    'SELECT FROM oncebox.outbox',
    'UPDATE oncebox.outbox SET topic = topic',
    'DELETE FROM oncebox.outbox',
    'TRUNCATE oncebox.outbox_1',
    'INSERT INTO oncebox.outbox_1 DEFAULT VALUES',
    'SELECT FROM oncebox.relay_cursor',
    'UPDATE oncebox.relay_cursor SET epoch = 9',
    'SELECT FROM oncebox.parked',
    'SELECT FROM oncebox.inbox',
    'SELECT FROM oncebox.consumer_offset',
    'SELECT FROM oncebox.dead_letter',
    'SELECT FROM oncebox.business_key',
    'SELECT FROM oncebox.migration',
    `SELECT nextval('oncebox.id_segment')`,
    `SELECT setval('oncebox.outbox_slot', 3)`,
    `SELECT nextval('oncebox.outbox_slot')`,
  ])('%s is refused', async (statement) => {
    expect(await outcome(client.query(statement))).toBe(denied)
  })

  test('without SELECT on the ring state a write is refused up to Postgres 17 and lands in slot 0 from 18 on', async () => {
    await client.query(
      `RESET ROLE; REVOKE SELECT ON SEQUENCE oncebox.outbox_slot FROM ${producer}; SET ROLE ${producer}`,
    )
    const result = await outcome(client.query(insert))
    const landed = await written()
    await client.query(`GRANT SELECT ON SEQUENCE oncebox.outbox_slot TO ${producer}`)
    expect({ result, landed }).toEqual({
      result: version < 18 ? denied : 'done',
      landed: landed.filter((row) => row.slot === 0),
    })
  })

  test('the active slot decides the leaf, and a slot nobody knows lands in the default leaf', async () => {
    await client.query('RESET ROLE')
    await client.query(`SELECT setval('oncebox.outbox_slot', 5)`)
    await client.query(emit)
    await client.query(
      `INSERT INTO oncebox.outbox (id, source, topic, type, slot) VALUES (gen_random_uuid(), 's', 't', 'y', 99)`,
    )
    await client.query(
      `INSERT INTO oncebox.outbox (id, source, topic, type, slot) VALUES (gen_random_uuid(), 's', 't', 'y', -1)`,
    )
    expect((await written()).map((row) => row.leaf)).toEqual([
      'oncebox.outbox_5',
      'oncebox.outbox_default',
      'oncebox.outbox_default',
    ])
    await client.query(`SELECT setval('oncebox.outbox_slot', 0)`)
  })

  test('a ring state that was never set (a sequence restored or reset) means slot 0', async () => {
    await client.query('RESET ROLE')
    await client.query('ALTER SEQUENCE oncebox.outbox_slot RESTART')
    await client.query(emit)
    expect((await written()).map((row) => row.slot)).toEqual([0])
    await client.query(`SELECT setval('oncebox.outbox_slot', 0)`)
  })
})
