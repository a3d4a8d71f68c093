import { postgresJsDatabase } from '@oncebox/core/postgres-js'
import { testDatabase } from '@oncebox/testkit/harness'
import postgres from 'postgres'
import { expect, test } from 'vitest'
import { describeAdapter } from './adapterSuite.js'

describeAdapter<postgres.TransactionSql>(
  'postgres.js',
  (url) => {
    const sql = postgres(url, { max: 2, onnotice: () => {}, transform: postgres.camel })
    return {
      database: postgresJsDatabase(sql),
      transaction: async (work) => (await sql.begin(async (trx) => ({ result: await work(trx) }))).result,
      nested: (trx, work) => trx.savepoint(work),
      insert: (trx, text) => trx`insert into note ${trx({ text })}`,
      outside: sql,
      // After a loss, postgres.js waits for ever without one.
      close: () => sql.end({ timeout: 1 }),
    }
  },
  { tellsEnd: false },
)

test('a connection that ends at any moment of a transaction is an error, and not the end of the process', async () => {
  await using database = await testDatabase()
  const sql = postgres(database.url, { max: 2, onnotice: () => {} })
  const losing = async (pause: Promise<unknown> | null) => {
    const lost = postgresJsDatabase(sql).transaction(async ({ tx }) => {
      await tx.query('SELECT pg_terminate_backend(pg_backend_pid())').catch(() => undefined)
      await pause
    })
    return lost.then(
      () => 'committed',
      ({ code }) => code,
    )
  }
  const codes = new Set<string>()
  for (let turn = 0; turn < 20; turn++) {
    codes.add(await losing(null))
    codes.add(await losing(new Promise((resolve) => setImmediate(resolve))))
    codes.add(await losing(new Promise((resolve) => setTimeout(resolve, 1))))
  }
  expect([...codes]).toEqual(['DATABASE_UNREACHABLE'])
  await sql.end({ timeout: 1 })
})
