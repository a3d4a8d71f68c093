import { surviveConnectionLoss } from '@oncebox/core/pg'
import { migrate } from '@oncebox/schema'
import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'

/** The order service's own tables. */
export interface Shop {
  orders: { id: string; customer: string; cents: number; paid: boolean }
}

/** Opens a database with oncebox's schema in it. A service in production migrates when it is deployed, not here. */
export async function openDatabase<DB>(connectionString: string): Promise<Kysely<DB>> {
  const pool = new pg.Pool({ connectionString, max: 5 })
  surviveConnectionLoss(pool)
  const client = await pool.connect()
  try {
    await migrate(client)
  } finally {
    client.release()
  }
  return new Kysely<DB>({ dialect: new PostgresDialect({ pool }) })
}
