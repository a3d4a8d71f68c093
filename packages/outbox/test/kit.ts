import { defineMessages, isOnceboxError, type OnceboxError, type Tx } from '@oncebox/core'
import { fromPg } from '@oncebox/core/pg'
import { applyRoles, defaultRoles, migrate } from '@oncebox/schema'
import type { PostgresVersion } from '@oncebox/testkit'
import { createRoleLogins, type TestDatabase, testDatabase } from '@oncebox/testkit/harness'
import type pg from 'pg'
import { expect } from 'vitest'
import { z } from 'zod'

export const messages = defineMessages({
  'order.created': {
    topic: 'orders',
    schema: z.object({ id: z.string(), total: z.number().default(0) }),
    key: (order) => order.id,
  },
  'page.viewed': { topic: 'pages', schema: z.object({ url: z.string() }) },
})

export interface StoredRow {
  readonly position: string
  readonly id: string
  readonly source: string
  readonly topic: string
  readonly key: string | null
  readonly type: string
  readonly content_type: string | null
  readonly headers: Record<string, string> | null
  readonly payload: Buffer | null
}

const producerRole = defaultRoles().producer

/** What a service has: connections with the rights of a producer. The database's own pool is the test's eye. */
export const asProducer = (database: TestDatabase): pg.Pool => database.as(producerRole)

export const producerUrl = (database: TestDatabase): string => database.urlAs(producerRole)

/** A migrated database of its own with a business table `account(id, money)`. */
export async function migratedDatabase(version: PostgresVersion = 18): Promise<TestDatabase> {
  return testDatabase({
    version,
    async prepare({ pool }) {
      const client = await pool.connect()
      try {
        await migrate(fromPg(client))
        await applyRoles(fromPg(client))
        await createRoleLogins(pool, [producerRole])
        await client.query('create table account (id text primary key, money int not null)')
        await client.query(`alter default privileges grant all on tables to ${producerRole}`)
        await client.query(`grant all on account to ${producerRole}`)
      } finally {
        client.release()
      }
    },
  })
}

/** Everything in the outbox, by position. */
export async function outboxRows(database: TestDatabase): Promise<StoredRow[]> {
  const columns = 'position, id, source, topic, key, type, content_type, headers, payload'
  return (await database.pool.query(`select ${columns} from oncebox.outbox order by position`)).rows
}

/** Empties the outbox and the business table. */
export async function empty(database: TestDatabase): Promise<void> {
  await database.pool.query('truncate oncebox.outbox, oncebox.scheduled, account')
}

/** Runs `work` in a transaction of a producer and commits; rolls back and throws when it throws. */
export async function inTransaction<T>(
  database: TestDatabase,
  work: (client: pg.PoolClient, tx: Tx) => Promise<T>,
  begin = 'begin',
  pool = asProducer(database),
): Promise<T> {
  const client = await pool.connect()
  try {
    await client.query(begin)
    const result = await work(client, fromPg(client))
    await client.query('commit')
    return result
  } catch (error) {
    await client.query('rollback')
    throw error
  } finally {
    client.release()
  }
}

export async function refusalOf(promise: Promise<unknown>): Promise<OnceboxError> {
  const error = await promise.then(
    () => new Error('was not refused'),
    (thrown: unknown) => thrown,
  )
  if (!isOnceboxError(error)) throw error
  expect(error.message.length).toBeGreaterThan(0)
  return error
}

/** `tx`, noting the text of every statement. */
export function recorded(tx: Tx, statements: string[]): Tx {
  return {
    query(text, values) {
      statements.push(text)
      return tx.query(text, values)
    },
  }
}
