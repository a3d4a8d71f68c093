import { type Database, isOnceboxError, type Tx } from '@oncebox/core'
import { fromKysely, kyselyDatabase } from '@oncebox/core/kysely'
import { fromPg, pgDatabase, surviveConnectionLoss } from '@oncebox/core/pg'
import { until } from '@oncebox/testkit'
import { type TestDatabase, testDatabase } from '@oncebox/testkit/harness'
import { CamelCasePlugin, Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, expectTypeOf, it } from 'vitest'

let test: TestDatabase
beforeAll(async () => {
  test = await testDatabase()
  await test.pool.query(
    'create table note (text text primary key, other text references note deferrable initially deferred)',
  )
})
beforeEach(() => test.pool.query('truncate note'))
afterAll(() => test?.drop())

interface Kit {
  readonly pool: pg.Pool
  readonly database: Database<unknown>
  close(): Promise<void>
}

const kits: Record<string, () => Kit> = {
  pgDatabase() {
    const pool = new pg.Pool({ connectionString: test.url, max: 2 })
    return { pool, database: pgDatabase(pool), close: () => pool.end() }
  },
  kyselyDatabase() {
    const pool = new pg.Pool({ connectionString: test.url, max: 2 })
    surviveConnectionLoss(pool)
    const db = new Kysely<Record<string, never>>({
      dialect: new PostgresDialect({ pool }),
      plugins: [new CamelCasePlugin()],
    })
    return { pool, database: kyselyDatabase(db), close: () => db.destroy() }
  },
}

const notes = async (): Promise<string[]> =>
  (await test.pool.query('select text from note order by text')).rows.map((row) => row.text)
const write = (tx: Tx, text: string) => tx.query('insert into note (text) values ($1)', [text])
const pidOf = async (tx: Tx) =>
  (await tx.query<{ the_pid: number }>('select pg_backend_pid() as the_pid')).rows[0]?.the_pid
const terminate = (pid: number | undefined) => test.pool.query('select pg_terminate_backend($1, 5000)', [pid])

async function failure(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  return promise.then(
    () => {
      throw new Error('did not fail')
    },
    (error) => error,
  )
}

describe.each(Object.entries(kits))('%s', (name, open) => {
  let kit: Kit
  beforeEach(() => {
    kit = open()
    return () => kit.close()
  })

  it('commits what the work wrote, in READ COMMITTED, and gives back its result', async () => {
    const result = await kit.database.transaction(async ({ tx }) => {
      await write(tx, 'a')
      expect(await notes()).toEqual([])
      const { rows } = await tx.query('select current_setting($1) as the_level', ['transaction_isolation'])
      return rows
    })
    expect(result).toEqual([{ the_level: 'read committed' }])
    expect(await notes()).toEqual(['a'])
  })

  it('rolls back when the work throws, throws the same error, and the connection serves again', async () => {
    const bug = new TypeError('bug')
    for (let round = 0; round < 4; round++) {
      const error = await failure(
        kit.database.transaction(async ({ tx }) => {
          await write(tx, 'a')
          throw bug
        }),
      )
      expect(error).toBe(bug)
    }
    expect(await notes()).toEqual([])
    expect(kit.pool.totalCount).toBe(1)
    await kit.database.transaction(({ tx }) => write(tx, 'b'))
    expect(await notes()).toEqual(['b'])
  })

  it("throws the driver's error of a COMMIT that fails, and the connection serves again", async () => {
    const error = await failure(
      kit.database.transaction(({ tx }) => tx.query("insert into note values ('a', 'nobody')")),
    )
    expect(error.code).toBe('23503')
    await kit.database.transaction(({ tx }) => write(tx, 'b'))
    expect(await notes()).toEqual(['b'])
    expect(kit.pool.totalCount).toBe(1)
  })

  it('does not take a COMMIT that was answered with ROLLBACK for one', async () => {
    const error = await failure(
      kit.database.transaction(async ({ tx }) => {
        await write(tx, 'a')
        await tx.query('select 1/0').catch(() => {})
      }),
    )
    expect(isOnceboxError(error, 'TRANSACTION_ABORTED')).toBe(true)
    expect(await notes()).toEqual([])
    await kit.database.transaction(({ tx }) => write(tx, 'b'))
  })

  it('survives a connection that is lost between two statements, says so, and does not use it again', async () => {
    const error = await failure(
      kit.database.transaction(async ({ tx }) => {
        await write(tx, 'a')
        await terminate(await pidOf(tx))
        await write(tx, 'b')
      }),
    )
    expect(isOnceboxError(error, 'DATABASE_UNREACHABLE')).toBe(true)
    expect(error.cause).toBeInstanceOf(Error)
    await kit.database.transaction(({ tx }) => write(tx, 'c'))
    expect(await notes()).toEqual(['c'])
  })

  it('says that the connection is lost also when the work then fails for its own reasons', async () => {
    const error = await failure(
      kit.database.transaction(async ({ tx }) => {
        await terminate(await pidOf(tx))
        throw new TypeError('bug')
      }),
    )
    expect(isOnceboxError(error, 'DATABASE_UNREACHABLE')).toBe(true)
  })

  it('says that the connection is lost when COMMIT finds it gone', async () => {
    const error = await failure(
      kit.database.transaction(async ({ tx }) => {
        await write(tx, 'a')
        await terminate(await pidOf(tx))
      }),
    )
    expect(isOnceboxError(error, 'DATABASE_UNREACHABLE')).toBe(true)
    expect(await notes()).toEqual([])
  })

  it('survives connections that are lost while nobody uses them', async () => {
    const pid = await kit.database.transaction(({ tx }) => pidOf(tx))
    await terminate(pid)
    await until(() => kit.pool.totalCount === 0, { what: 'the pool to drop its client' })
    await kit.database.transaction(({ tx }) => write(tx, 'a'))
    expect(await notes()).toEqual(['a'])
  })

  it('refuses statements that come after the end', async () => {
    let kept: Tx | undefined
    await kit.database.transaction(async ({ tx }) => {
      kept = tx
    })
    expect(isOnceboxError(await failure(write(kept as Tx, 'late')), 'TRANSACTION_ENDED')).toBe(true)
    expect(await notes()).toEqual([])
  })

  it('says that the database is unreachable when it cannot connect, or may not', async () => {
    const away = new URL(test.url)
    away.port = '1'
    const stranger = new URL(test.url)
    stranger.pathname = '/nowhere'
    for (const [url, code] of [
      [away, 'ECONNREFUSED'],
      [stranger, '3D000'],
    ] as const) {
      const pool = new pg.Pool({ connectionString: url.href })
      const db = new Kysely<Record<string, never>>({ dialect: new PostgresDialect({ pool }) })
      const database: Database<unknown> = name === 'pgDatabase' ? pgDatabase(pool) : kyselyDatabase(db)
      const error = await failure(database.transaction(async () => {}))
      expect(isOnceboxError(error, 'DATABASE_UNREACHABLE')).toBe(true)
      expect(error.cause).toMatchObject({ code })
      await db.destroy()
    }
  })
})

describe('pgDatabase', () => {
  it('tells a handler that idled too long from a database that is away', async () => {
    const pool = new pg.Pool({ connectionString: test.url, idle_in_transaction_session_timeout: 1 })
    const error = await failure(
      pgDatabase(pool).transaction(async ({ trx, tx }) => {
        await new Promise((resolve) => trx.once('end', () => resolve(undefined)))
        await write(tx, 'a')
      }),
    )
    expect(isOnceboxError(error, 'DATABASE_UNREACHABLE')).toBe(true)
    expect(error.cause).toMatchObject({ code: '25P03' })
    await pool.end()
  })

  it('does not give a connection back to the pool whose ROLLBACK was not answered', async () => {
    const pool = new pg.Pool({ connectionString: test.url })
    const error = await failure(
      pgDatabase(pool).transaction(async ({ trx, tx }) => {
        await write(tx, 'a')
        // From here on: what comes before may take as long as it takes.
        const { connectionParameters } = trx as unknown as { connectionParameters: { query_timeout: number } }
        connectionParameters.query_timeout = 100
        await tx.query('select pg_sleep(20)')
      }),
    )
    expect(isOnceboxError(error, 'DATABASE_UNREACHABLE')).toBe(true)
    expect(pool.totalCount).toBe(0)
    expect(await notes()).toEqual([])
    const sleeping =
      "select pg_terminate_backend(pid, 5000) from pg_stat_activity where query like '%pg_sleep(20)' and pid <> pg_backend_pid()"
    await test.pool.query(sleeping)
    await pool.end()
  })

  it('leaves no listeners behind on a connection that is used again and again', async () => {
    const pool = new pg.Pool({ connectionString: test.url, max: 1 })
    const database = pgDatabase(pool)
    pgDatabase(pool)
    const counts = new Set<number>()
    for (let round = 0; round < 20; round++) {
      await database.transaction(async ({ trx }) => {
        counts.add(trx.listenerCount('error'))
      })
    }
    expect(counts.size).toBe(1)
    expect(pool.listenerCount('error')).toBe(1)
    await pool.end()
  })
})

describe('fromPg', () => {
  it('runs statements on the client, inside the transaction that the caller opened', async () => {
    const client = await test.pool.connect()
    try {
      const tx = fromPg(client)
      await client.query('begin')
      await write(tx, 'a')
      expectTypeOf(client).toExtend<Tx>()
      const { rows } = await tx.query<{ big: string; bytes: Buffer }>(
        'select 9007199254740993 as big, $1::bytea as bytes',
        [Buffer.from([0, 255])],
      )
      expect(rows).toEqual([{ big: '9007199254740993', bytes: Buffer.from([0, 255]) }])
      await client.query('rollback')
      expect(await notes()).toEqual([])
    } finally {
      client.release()
    }
  })

  it('refuses a pool', () => {
    // @ts-expect-error: a pool is not a client
    expect(() => fromPg(test.pool)).toThrow(/pool/)
  })
})

describe('fromKysely', () => {
  interface Tables {
    note: { text: string; other: string | null }
  }
  let db: Kysely<Tables>
  beforeAll(() => {
    db = new Kysely<Tables>({
      dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: test.url }) }),
      plugins: [new CamelCasePlugin()],
    })
    return () => db.destroy()
  })

  it("runs statements in the transaction, beside the library's own, untouched by its plugins", async () => {
    await db.transaction().execute(async (trx) => {
      await trx.insertInto('note').values({ text: 'a', other: null }).execute()
      const { rows } = await fromKysely(trx).query('select text as the_text, $1::bytea as b from note', [
        Uint8Array.of(0, 255),
      ])
      expect(rows).toEqual([{ the_text: 'a', b: Buffer.from([0, 255]) }])
    })
  })

  it('refuses a Kysely instance that is not a transaction', () => {
    // @ts-expect-error: Kysely<DB> is not Transaction<DB>
    expect(() => fromKysely(db)).toThrow(/not a transaction/)
  })

  it('refuses statements after the transaction, however it ended', async () => {
    const ended: Tx[] = []
    await db.transaction().execute(async (trx) => {
      ended.push(fromKysely(trx))
    })
    await db
      .transaction()
      .execute(async (trx) => {
        ended.push(fromKysely(trx))
        throw new Error('undo')
      })
      .catch(() => {})
    const controlled = await db.startTransaction().execute()
    ended.push(fromKysely(controlled))
    await controlled.commit().execute()
    for (const tx of ended) expect(isOnceboxError(await failure(write(tx, 'late')), 'TRANSACTION_ENDED')).toBe(true)
    expect(await notes()).toEqual([])
  })

  it("throws Postgres' errors as they are while the transaction is open", async () => {
    await db
      .transaction()
      .execute(async (trx) => {
        expect(await failure(fromKysely(trx).query('select 1/0'))).toMatchObject({ code: '22012' })
        expect(await failure(fromKysely(trx).query('select 1'))).toMatchObject({ code: '25P02' })
        throw new Error('undo')
      })
      .catch((error) => expect(error.message).toBe('undo'))
  })
})
