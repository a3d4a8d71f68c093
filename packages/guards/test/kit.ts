import { isOnceboxError, type OnceboxError, type Tx } from '@oncebox/core'
import { fromKysely } from '@oncebox/core/kysely'
import { fromPg } from '@oncebox/core/pg'
import { applyRoles, defaultRoles, migrate } from '@oncebox/schema'
import { type PostgresVersion, until } from '@oncebox/testkit'
import { createRoleLogins, postgresVersions, type TestDatabase, testDatabase } from '@oncebox/testkit/harness'
import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'

/** Business tables as users have them, in a schema of their own. */
const businessTables = `
  create schema shop;
  create table shop.payment (number bigserial primary key, serial text not null, cents int not null);
  create type shop.coupon_state as enum ('unused', 'reserved', 'redeemed', 'void');
  create table shop.coupon (
    id text primary key, state shop.coupon_state, valid_until timestamptz not null default 'infinity',
    redeemed_by text, uses int not null default 0
  );
  create table shop.account (id bigint primary key, money int not null, version int not null default 1);
  create table shop.views (
    act_code text, user_id bigint, views bigint, note text, primary key (act_code, user_id)
  ) partition by list (act_code);
  create table shop.views_rest partition of shop.views default;
  create table shop.member (directory text, number int, name text, revision bigint, unique (directory, number));
`

/** What a service with guards has: connections with the rights of a consumer. The database's own pool is the test's eye. */
export const asConsumer = (database: TestDatabase, schema?: string): pg.Pool =>
  database.as(defaultRoles(schema).consumer)

export async function migratedDatabase(version: PostgresVersion = 18, schema = 'oncebox'): Promise<TestDatabase> {
  return testDatabase({
    version,
    async prepare({ pool }) {
      const client = await pool.connect()
      try {
        await migrate(fromPg(client), { schema })
        await client.query(businessTables)
        const role = defaultRoles(schema).consumer
        await applyRoles(fromPg(client), { schema })
        await createRoleLogins(pool, [role])
        const name = pg.escapeIdentifier(role)
        await client.query(`grant usage, create on schema shop to ${name}; grant all on all tables in schema shop to ${name};
          grant all on all sequences in schema shop to ${name}`)
      } finally {
        client.release()
      }
    },
  })
}

/** A transaction on a session of its own. */
export interface OpenTransaction {
  readonly tx: Tx
  readonly pid: number
  commit(): Promise<void>
  rollback(): Promise<void>
  /** Waits until the session waits for a lock. */
  waits(): Promise<unknown>
}

export type Library = 'pg' | 'kysely'

/** Every combination a guard is tested on. */
export const grounds = postgresVersions.flatMap((version) =>
  (['pg', 'kysely'] as const).map((library) => ({ version, library })),
)

export interface Sessions extends AsyncDisposable {
  begin(isolation?: 'read committed' | 'repeatable read' | 'serializable'): Promise<OpenTransaction>
}

/** Opens transactions with one of the libraries; disposing ends those that are still open. */
export function sessions(database: TestDatabase, library: Library, schema?: string): Sessions {
  const pool = new pg.Pool({ connectionString: database.urlAs(defaultRoles(schema).consumer), max: 60 })
  pool.on('error', () => undefined)
  pool.on('connect', (client) => client.on('error', () => undefined))
  const kysely = new Kysely<object>({ dialect: new PostgresDialect({ pool }) })
  const open = new Set<OpenTransaction>()
  return {
    async begin(isolation = 'read committed') {
      const session = library === 'pg' ? await pgSession(pool, isolation) : await kyselySession(kysely, isolation)
      const { rows } = await session.tx.query<{ pid: number }>('select pg_backend_pid() as pid')
      const pid = rows[0]?.pid as number
      const end = (how: () => Promise<unknown>) => async () => {
        if (open.delete(transaction)) await how()
      }
      const transaction: OpenTransaction = {
        tx: session.tx,
        pid,
        commit: end(session.commit),
        rollback: end(session.rollback),
        waits: () => until(() => isWaiting(database, pid), { what: 'the session to wait for a lock' }),
      }
      open.add(transaction)
      return transaction
    },
    async [Symbol.asyncDispose]() {
      for (const transaction of [...open]) await transaction.rollback().catch(() => undefined)
      await kysely.destroy()
      if (!pool.ended) await pool.end()
    },
  }
}

interface Session {
  readonly tx: Tx
  commit(): Promise<unknown>
  rollback(): Promise<unknown>
}

async function pgSession(pool: pg.Pool, isolation: string): Promise<Session> {
  const client = await pool.connect()
  await client.query(`begin isolation level ${isolation}`)
  const end = (command: string) => async () => {
    try {
      await client.query(command)
      client.release()
    } catch (error) {
      client.release(true)
      throw error
    }
  }
  return { tx: fromPg(client), commit: end('commit'), rollback: end('rollback') }
}

async function kyselySession(
  kysely: Kysely<object>,
  isolation: 'read committed' | 'repeatable read' | 'serializable',
): Promise<Session> {
  const trx = await kysely.startTransaction().setIsolationLevel(isolation).execute()
  return { tx: fromKysely(trx), commit: () => trx.commit().execute(), rollback: () => trx.rollback().execute() }
}

async function isWaiting(database: TestDatabase, pid: number): Promise<boolean> {
  const { rows } = await database.pool.query('select 1 from pg_locks where pid = $1 and not granted', [pid])
  return rows.length > 0
}

/** Ends the session of `pid` and waits until it is gone. */
export async function terminate(database: TestDatabase, pid: number): Promise<void> {
  await database.pool.query('select pg_terminate_backend($1)', [pid])
  const gone = async (): Promise<boolean> =>
    (await database.pool.query('select 1 from pg_stat_activity where pid = $1', [pid])).rows.length === 0
  await until(gone, { what: 'the session to end' })
}

export async function refusalOf(promise: Promise<unknown>): Promise<OnceboxError> {
  const error = await promise.then(
    () => new Error('was not refused'),
    (thrown: unknown) => thrown,
  )
  if (!isOnceboxError(error)) throw error
  return error
}

/** The SQLSTATE that a promise rejects with. */
export async function stateOf(promise: Promise<unknown>): Promise<string | undefined> {
  return promise.then(
    () => 'done',
    (error: { code?: string }) => error.code,
  )
}

export async function all(database: TestDatabase, sql: string): Promise<Record<string, unknown>[]> {
  return (await database.pool.query(sql)).rows
}
