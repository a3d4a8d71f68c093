import { postgresJsDatabase } from '@oncebox/core/postgres-js'
import postgres from 'postgres'
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
