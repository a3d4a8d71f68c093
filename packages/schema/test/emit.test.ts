import { uuidV7Time } from '@oncebox/core'
import { migrate } from '@oncebox/schema'
import { postgresVersions, type TestDatabase, testDatabase } from '@oncebox/testkit/harness'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { outcome, type Sessions, sessions } from './sessions.js'

const uuidV7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

describe.each(postgresVersions)('oncebox.emit on Postgres %i', (version) => {
  let database: TestDatabase
  let open: Sessions
  let client: Awaited<ReturnType<Sessions['open']>>

  beforeAll(async () => {
    database = await testDatabase({ version })
    await using migrating = sessions(database.url)
    await migrate(await migrating.open())
  })
  afterAll(() => database?.drop())
  beforeEach(async () => {
    open = sessions(database.url)
    client = await open.open()
    await client.query('TRUNCATE oncebox.outbox')
    return () => open[Symbol.asyncDispose]()
  })

  const rows = async () =>
    (
      await client.query(
        `SELECT id, source, topic, key, type, content_type, headers, encode(payload, 'hex') AS payload
         FROM oncebox.outbox ORDER BY position`,
      )
    ).rows

  test.each([
    ['jsonb', `'{"a": [1, null]}'::jsonb`, 'application/json', '{"a": [1, null]}'],
    ['a JSON null', `'null'::jsonb`, 'application/json', 'null'],
    ['text', `'grün 📦'::text`, 'text/plain; charset=utf-8', 'grün 📦'],
    ['a literal without a type', `'plain'`, 'text/plain; charset=utf-8', 'plain'],
    ['empty text', `''::text`, 'text/plain; charset=utf-8', ''],
    ['bytea', `'\\x00ff'::bytea`, 'application/octet-stream', Buffer.from([0, 255])],
  ])('%s is stored as its bytes, with the content type of its kind', async (_kind, payload, contentType, bytes) => {
    const result = await client.query(`SELECT oncebox.emit('orders', 'k1', 'order.created', ${payload}) AS id`)
    expect(result.rows[0].id).toMatch(uuidV7)
    expect(await rows()).toEqual([
      {
        id: result.rows[0].id,
        source: database.name,
        topic: 'orders',
        key: 'k1',
        type: 'order.created',
        content_type: contentType,
        headers: null,
        payload: Buffer.from(bytes).toString('hex'),
      },
    ])
  })

  test.each(['jsonb', 'text', 'bytea'])('a NULL of type %s is a tombstone without a content type', async (kind) => {
    await client.query(`SELECT oncebox.emit('orders', 'k1', 'order.deleted', NULL::${kind})`)
    await client.query(`SELECT oncebox.emit('orders', 'k1', 'order.deleted', NULL::${kind}, content_type => 'a/b')`)
    expect(await rows()).toMatchObject([
      { payload: null, content_type: null },
      { payload: null, content_type: 'a/b' },
    ])
  })

  test.each([
    ['jsonb', `'{}'::jsonb`, 'application/json'],
    ['text', `''::text`, 'text/plain; charset=utf-8'],
    ['bytea', `''::bytea`, 'application/octet-stream'],
    ['a tombstone', 'NULL::bytea', null],
  ])('an empty content type is none: %s has its own', async (_kind, payload, contentType) => {
    await client.query(`SELECT oncebox.emit('orders', NULL, 'order.created', ${payload}, content_type => '')`)
    expect(await rows()).toMatchObject([{ content_type: contentType }])
  })

  test('everything that can be given is kept as given, without a key too', async () => {
    const id = '01934567-89ab-7cde-8123-456789abcdef'
    const values = ['orders', null, 'order.created', '{}', '{"trace": "grün", "b": ""}', id, 'a/json', 'shop']
    const emit = 'SELECT oncebox.emit($1, $2, $3, $4::jsonb, $5, $6, $7, $8) AS id'
    expect((await client.query(emit, values)).rows).toEqual([{ id }])
    expect(await rows()).toMatchObject([
      { id, key: null, headers: { trace: 'grün', b: '' }, content_type: 'a/json', source: 'shop' },
    ])
  })

  test('the same id may be emitted twice: no unique index makes writers wait for each other', async () => {
    const emit = `SELECT oncebox.emit('t', 'k', 'y', ''::text, id => '01934567-89ab-7cde-8123-456789abcdef')`
    await client.query(emit)
    await client.query(emit)
    expect(await rows()).toHaveLength(2)
  })

  test.each([
    ['an empty topic', `'', 'k', 'y', 'p'::text`],
    ['no topic', `NULL, 'k', 'y', 'p'::text`],
    ['the topic ".."', `'..', 'k', 'y', 'p'::text`],
    ['a topic of 250 characters', `repeat('t', 250), 'k', 'y', 'p'::text`],
    ['a topic with a space', `'or ders', 'k', 'y', 'p'::text`],
    ['a topic with a line break at its end', `E'orders\\n', 'k', 'y', 'p'::text`],
    ['an empty type', `'t', 'k', '', 'p'::text`],
    ['no type', `'t', 'k', NULL, 'p'::jsonb`],
    ['an empty source', `'t', 'k', 'y', 'p'::text, source => ''`],
    ['headers that are an array', `'t', 'k', 'y', 'p'::text, headers => '[]'`],
    ['headers that are a text', `'t', 'k', 'y', 'p'::text, headers => '"x"'`],
    ['headers that are a JSON null', `'t', 'k', 'y', 'p'::text, headers => 'null'`],
    ['a header that is a number', `'t', 'k', 'y', 'p'::text, headers => '{"a": 1}'`],
    ['a header that is null', `'t', 'k', 'y', 'p'::text, headers => '{"a": null}'`],
    ['a header without a name', `'t', 'k', 'y', 'p'::text, headers => '{"": "a"}'`],
    ['a header of the wire format', `'t', 'k', 'y', 'p'::text, headers => '{"Ce_Id": "a"}'`],
    ['a content-type among the headers', `'t', 'k', 'y', 'p'::text, headers => '{"Content-Type": "a"}'`],
    ['a payload of 900,001 bytes', `'t', 'k', 'y', repeat('x', 900001)`],
    ['a payload of 450,001 two-byte characters', `'t', 'k', 'y', repeat('é', 450001)`],
    ['a key of 100,001 bytes', `'t', repeat('k', 100001), 'y', 'p'::text`],
    ['headers and payload too large together', `'t', 'k', 'y', repeat('x', 899990), headers => '{"a": "12345678"}'`],
  ])('%s is refused with 22023; behind a savepoint the transaction goes on', async (_what, call) => {
    const emitting = call.replace(`'p'::jsonb`, `'1'::jsonb`)
    await client.query('BEGIN')
    await client.query(`SELECT oncebox.emit('t', 'k', 'before', ''::text)`)
    await client.query('SAVEPOINT attempt')
    expect(await outcome(client.query(`SELECT oncebox.emit(${emitting})`))).toBe('22023')
    await client.query('ROLLBACK TO attempt')
    await client.query(`SELECT oncebox.emit('t', 'k', 'after', ''::text)`)
    await client.query('COMMIT')
    expect((await rows()).map((row) => row.type)).toEqual(['before', 'after'])
  })

  test('the longest topic and the largest payload pass', async () => {
    await client.query(`SELECT oncebox.emit(repeat('t', 249), 'k', 'y', repeat('x', 900000))`)
    expect(await rows()).toHaveLength(1)
  })

  test('a refusal does not quote payload, key or header value', async () => {
    const call = client.query(
      `SELECT oncebox.emit('bad topic', 'secret-key', 'y', '"secret-payload"'::jsonb, '{"a": "secret-value"}')`,
    )
    const error = (await call.catch((thrown: unknown) => thrown)) as { message: string; hint: string; detail?: string }
    expect(`${error.message}${error.hint}${error.detail ?? ''}`).not.toContain('secret')
  })

  test('G1: synchronous_commit is raised from off for the whole transaction, and only for it', async () => {
    const setting = async () => (await client.query('SHOW synchronous_commit')).rows[0].synchronous_commit
    for (const payload of [`'a'::text`, `'1'::jsonb`, `'a'::bytea`]) {
      await client.query('SET synchronous_commit = off')
      await client.query('BEGIN')
      await client.query(`SELECT oncebox.emit('t', 'k', 'y', ${payload})`)
      expect(await setting()).toBe('on')
      await client.query('SAVEPOINT later')
      await client.query('ROLLBACK TO later')
      expect(await setting()).toBe('on')
      await client.query('COMMIT')
      expect(await setting()).toBe('off')
    }
  })

  test.each(['local', 'remote_write', 'on', 'remote_apply'])('synchronous_commit %s is left alone', async (level) => {
    await client.query(`SET synchronous_commit = ${level}`)
    await client.query('BEGIN')
    await client.query(`SELECT oncebox.emit('t', 'k', 'y', 'a'::text)`)
    expect((await client.query('SHOW synchronous_commit')).rows[0].synchronous_commit).toBe(level)
    await client.query('COMMIT')
  })

  test("emit uses its own objects, whatever the caller's search_path and temporary tables are", async () => {
    await client.query(`CREATE TEMPORARY TABLE outbox (id uuid, source text, topic text, key text, type text,
      content_type text, headers jsonb, payload bytea)`)
    await client.query('CREATE SCHEMA decoy')
    await client.query(`CREATE FUNCTION decoy.uuid_v7() RETURNS uuid LANGUAGE sql RETURN NULL::uuid`)
    await client.query('SET search_path TO pg_temp, decoy')
    await client.query(`SELECT oncebox.emit('t', 'k', 'y', '1'::jsonb)`)
    expect(await rows()).toHaveLength(1)
    expect((await client.query('SHOW search_path')).rows[0].search_path).toBe('pg_temp, decoy')
    await client.query('DROP SCHEMA decoy CASCADE')
  })

  test('G2: a trigger emits with the row it fires for, or not at all', async () => {
    await client.query(`
      CREATE TABLE customer (id integer PRIMARY KEY, name text NOT NULL);
      CREATE FUNCTION emit_customer() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM oncebox.emit('customers', NEW.id::text, 'customer.created', to_jsonb(NEW));
        RETURN NULL;
      END $$;
      CREATE TRIGGER customer_created AFTER INSERT ON customer FOR EACH ROW EXECUTE FUNCTION emit_customer();
      BEGIN; INSERT INTO customer VALUES (1, 'kept'), (2, 'kept too'); COMMIT;
      BEGIN; INSERT INTO customer VALUES (3, 'lost'); ROLLBACK;
      BEGIN; SAVEPOINT s; INSERT INTO customer VALUES (4, 'lost'); ROLLBACK TO s; COMMIT;`)
    expect((await rows()).map((row) => row.key)).toEqual(['1', '2'])
    await client.query('DROP TABLE customer; DROP FUNCTION emit_customer')
  })

  test('uuid_v7 makes different ids in version 7 layout that carry the present', async () => {
    const { rows: made } =
      await client.query(`SELECT oncebox.uuid_v7() AS id, oncebox.uuid_time(oncebox.uuid_v7())::text AS time,
      extract(epoch FROM clock_timestamp()) * 1000 AS now FROM generate_series(1, 1000)`)
    expect(new Set(made.map((row) => row.id)).size).toBe(1000)
    for (const row of made) {
      expect(row.id).toMatch(uuidV7)
      expect(Math.abs(uuidV7Time(row.id) - Number(row.now))).toBeLessThan(1000)
      expect(Math.abs(Number(row.time) - Number(row.now))).toBeLessThan(1000)
    }
  })
})
