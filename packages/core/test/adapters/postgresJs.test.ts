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
  // As producers do it, by its own `begin`: consumers' transactions end it less often.
  const losing = (pause: Promise<unknown> | null) =>
    sql
      .begin(async (trx) => {
        await trx`SELECT pg_terminate_backend(pg_backend_pid())`.catch(() => undefined)
        await pause
      })
      .then(
        () => 'committed',
        ({ code }) => code as string,
      )
  const codes = new Set<string>()
  for (let turn = 0; turn < 20; turn++) {
    codes.add(await losing(null))
    codes.add(await losing(new Promise((resolve) => setImmediate(resolve))))
    codes.add(await losing(new Promise((resolve) => setTimeout(resolve, 1))))
  }
  expect([...codes].filter((code) => code !== '57P01' && code !== 'CONNECTION_CLOSED')).toEqual([])
  await sql.end({ timeout: 1 })
})
