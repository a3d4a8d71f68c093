import { drizzleDatabase } from '@oncebox/core/drizzle'
import { surviveConnectionLoss } from '@oncebox/core/pg'
import { drizzle } from 'drizzle-orm/node-postgres'
import { pgTable, text } from 'drizzle-orm/pg-core'
import { drizzle as drizzleOnPostgresJs } from 'drizzle-orm/postgres-js'
import pg from 'pg'
import postgres from 'postgres'
import { describeAdapter } from './adapterSuite.js'

const note = pgTable('note', { text: text().primaryKey(), other: text() })
const schema = { note }

type OnNodePostgres = Parameters<Parameters<ReturnType<typeof drizzle<typeof schema>>['transaction']>[0]>[0]
type OnPostgresJs = Parameters<Parameters<ReturnType<typeof drizzleOnPostgresJs<typeof schema>>['transaction']>[0]>[0]

describeAdapter<OnNodePostgres>(
  'Drizzle on node-postgres',
  (url) => {
    const pool = new pg.Pool({ connectionString: url, max: 2 })
    surviveConnectionLoss(pool)
    const db = drizzle(pool, { schema })
    return {
      database: drizzleDatabase(db),
      transaction: (work) => db.transaction(work),
      nested: (trx, work) => trx.transaction(work),
      insert: (trx, value) => trx.insert(note).values({ text: value }),
      outside: db,
      close: () => pool.end(),
    }
  },
  { tellsEnd: false },
)

describeAdapter<OnPostgresJs>(
  'Drizzle on postgres.js',
  (url) => {
    const client = postgres(url, { max: 2, onnotice: () => {} })
    const db = drizzleOnPostgresJs(client, { schema })
    return {
      database: drizzleDatabase(db),
      transaction: (work) => db.transaction(work),
      nested: (trx, work) => trx.transaction(work),
      insert: (trx, value) => trx.insert(note).values({ text: value }),
      outside: db,
      // After a loss, postgres.js waits for ever without one.
      close: () => client.end({ timeout: 1 }),
    }
  },
  { tellsEnd: false },
)
