import { applyRoles, defaultRoles, migrate } from '@oncebox/schema'
import { createRoleLogins, type TestDatabase, testDatabase } from '@oncebox/testkit/harness'

/**
 * A database of its own with the schema in it, and the environment that names it to the command, which then runs each verb with the
 * rights of the role that is for it (`oncebox.ts`).
 */
export interface MigratedDatabase extends TestDatabase {
  readonly environment: Readonly<Record<string, string>>
}

export async function migratedDatabase(): Promise<MigratedDatabase> {
  const database = await testDatabase({
    prepare: async ({ pool }) => {
      const client = await pool.connect()
      try {
        await migrate(client)
        await applyRoles(client)
        await createRoleLogins(pool, Object.values(defaultRoles()))
        // pg-boss makes and migrates a schema of its own, and belongs to whoever runs it.
        const { name } = (await client.query('select current_database() as name')).rows[0]
        await client.query(`grant create on database ${name} to ${defaultRoles().relay}`)
      } finally {
        client.release()
      }
    },
  })
  return { ...database, environment: { DATABASE_URL: database.url, ONCEBOX_TEST_ROLES: '1' } }
}

export interface SqlMessage {
  readonly topic: string
  readonly key: string | null
  readonly type?: string
  readonly payload: string
  readonly headers?: Readonly<Record<string, string>>
}

/** Emits the message so many times in one transaction, as psql would: `select oncebox.emit(…)`. Returns the ids. */
export async function emitSql(database: TestDatabase, message: SqlMessage, times = 1): Promise<string[]> {
  const { topic, key, type = 'test', payload, headers = null } = message
  const { rows } = await database.pool.query<{ id: string }>(
    `select oncebox.emit($1, $2, $3, $4::text, $5::jsonb) as id from generate_series(1, $6)`,
    [topic, key, type, payload, headers === null ? null : JSON.stringify(headers), times],
  )
  return rows.map(({ id }) => id)
}
