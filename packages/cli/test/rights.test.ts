import { fromPg } from '@oncebox/core/pg'
import { applyRoles, defaultRoles, migrate, type RoleKind, roleKinds } from '@oncebox/schema'
import { type TestDatabase, testDatabase, uniqueName } from '@oncebox/testkit/harness'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { inTransaction } from '../dist/command/inTransaction.js'
import { migratedDatabase } from './outbox.js'

/** Leaves of the rings have the rights of their parents, or fewer; they are counted as one. */
const ring = `regexp_replace(c.relname, '_(\\d+|default)$', '_*')`
const inSchema = `c.relnamespace = 'oncebox'::regnamespace AND c.relkind IN ('r', 'p')`

describe('all rights in the schema, those on tables that come later included', () => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await migratedDatabase()
  })
  afterAll(() => database?.drop())

  const found = async (kind: RoleKind, sql: string) =>
    (await database.pool.query<{ what: string }>(sql, [defaultRoles()[kind]])).rows.map(({ what }) => what)

  const readable = (kind: RoleKind) =>
    found(
      kind,
      `SELECT DISTINCT ${ring} || '.' || attname AS what FROM pg_class c JOIN pg_attribute a ON attrelid = c.oid
       WHERE ${inSchema} AND attname IN ('payload', 'headers', 'value', 'key', 'error', 'result')
         AND has_column_privilege($1, c.oid, attnum, 'SELECT') ORDER BY 1`,
    )

  const changeable = (kind: RoleKind) =>
    found(
      kind,
      `SELECT DISTINCT ${ring} || ': ' || lower(privilege) AS what
       FROM pg_class c, unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) AS privilege
       WHERE ${inSchema} AND CASE WHEN privilege = 'UPDATE' THEN has_any_column_privilege($1, c.oid, privilege)
         ELSE has_table_privilege($1, c.oid, privilege) END ORDER BY 1`,
    )

  test('what a message says is read by relay and consumer, each its own half, and by the operator', async () => {
    expect(await readable('producer')).toEqual([])
    expect(await readable('relay')).toMatchInlineSnapshot(`
      [
        "outbox.headers",
        "outbox.key",
        "outbox.payload",
        "outbox_*.headers",
        "outbox_*.key",
        "outbox_*.payload",
        "parked.headers",
        "parked.key",
        "parked.payload",
        "scheduled.headers",
        "scheduled.key",
        "scheduled.payload",
      ]
    `)
    expect(await readable('consumer')).toMatchInlineSnapshot(`
      [
        "attempt.error",
        "business_key.key",
        "business_key.result",
        "dead_letter.error",
        "dead_letter.headers",
        "dead_letter.key",
        "dead_letter.payload",
        "dead_letter_copy.headers",
        "dead_letter_copy.key",
        "dead_letter_copy.payload",
        "parked_delivery.headers",
        "parked_delivery.key",
        "parked_delivery.payload",
      ]
    `)
    expect(await readable('viewer')).toMatchInlineSnapshot(`
      [
        "outbox.key",
        "outbox_*.key",
        "parked.key",
        "scheduled.key",
      ]
    `)
  })

  test('rows are changed and deleted by those whose work it is', async () => {
    expect(await changeable('producer')).toEqual([])
    expect(await changeable('viewer')).toEqual([])
    expect(await changeable('relay')).toMatchInlineSnapshot(`
      [
        "database_identity: delete",
        "outbox: update",
        "outbox_*: truncate",
        "parked: delete",
        "publication_*: truncate",
        "relay_cursor: update",
        "scheduled: delete",
      ]
    `)
    expect(await changeable('consumer')).toMatchInlineSnapshot(`
      [
        "attempt: delete",
        "attempt: update",
        "business_key: delete",
        "business_key: update",
        "consumer_offset: update",
        "dead_letter: delete",
        "dead_letter: update",
        "dead_letter_copy: delete",
        "dead_letter_copy: update",
        "held_partition: delete",
        "held_partition: update",
        "inbox_*: truncate",
        "inbox_foreign: delete",
        "parked_delivery: delete",
        "parked_delivery: update",
        "parked_key: delete",
        "parked_key: update",
      ]
    `)
    expect(await changeable('operator')).toMatchInlineSnapshot(`
      [
        "dead_letter: delete",
        "dead_letter: update",
        "parked_key: delete",
        "parked_key: update",
        "pause: update",
        "replay_run: update",
      ]
    `)
  })

  test('nobody but the owner creates anything, and the public has no rights', async () => {
    const { rows } = await database.pool.query(
      `SELECT role FROM unnest($1::text[]) AS role WHERE has_schema_privilege(role, 'oncebox', 'CREATE')
       UNION ALL
       SELECT c.relname FROM pg_class c, aclexplode(c.relacl) AS acl WHERE c.relnamespace = 'oncebox'::regnamespace AND acl.grantee = 0`,
      [Object.values(defaultRoles())],
    )
    expect(rows).toEqual([])
  })
})

test('rights are given by many at once, in one database and in several of a cluster', async () => {
  const schema = uniqueName('box')
  const databases = await Promise.all([1, 2, 3].map(() => testDatabase()))
  const roles = defaultRoles(schema)
  try {
    const grant = async ({ pool }: TestDatabase) => {
      const client = await pool.connect()
      await migrate(fromPg(client), { schema })
      await inTransaction(client, () => applyRoles(fromPg(client), { schema }))
      client.release()
    }
    await Promise.all([...databases, ...databases].map(grant))
    for (const { pool } of databases) {
      const { rows } = await pool.query(`SELECT has_table_privilege($1, $2, 'SELECT') AS reads`, [
        roles.relay,
        `${schema}.outbox`,
      ])
      expect(rows).toEqual([{ reads: true }])
    }
  } finally {
    for (const database of databases) {
      for (const kind of roleKinds) await database.pool.query(`DROP OWNED BY ${roles[kind]}`)
      await database.drop()
    }
    await using cluster = await testDatabase()
    for (const kind of roleKinds) await cluster.pool.query(`DROP ROLE ${roles[kind]}`)
  }
})
