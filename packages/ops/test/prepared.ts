import { localIds } from '@oncebox/core'
import { applyRoles, defaultRoles, migrate } from '@oncebox/schema'
import { createRoleLogins, type TestDatabase, testDatabase } from '@oncebox/testkit/harness'
import type pg from 'pg'

const { viewer, operator } = defaultRoles()

/** Who only looks; the database's own pool makes what there is to see. */
export const asViewer = (database: TestDatabase): pg.Pool => database.as(viewer)
/** Who reads payloads too, and sees the sessions of others (`pg_read_all_stats`). */
export const asOperator = (database: TestDatabase): pg.Pool => database.as(operator)

/** A migrated database of its own. */
export async function migratedDatabase(version: TestDatabase['version']): Promise<TestDatabase> {
  const database = await testDatabase({
    version,
    async prepare({ pool }) {
      const client = await pool.connect()
      try {
        await migrate(client)
        await applyRoles(client)
        await createRoleLogins(pool, [viewer, operator])
      } finally {
        client.release()
      }
    },
  })
  await seeOthersSessions(database)
  return database
}

/** Granted once in a cluster: whoever grants the same at the same time has been quicker. */
async function seeOthersSessions(database: TestDatabase): Promise<void> {
  const login = new URL(database.urlAs(operator)).username
  await database.pool.query(`DO $see$ BEGIN
    GRANT pg_read_all_stats TO ${login};
  EXCEPTION WHEN OTHERS THEN
    IF NOT pg_has_role('${login}', 'pg_read_all_stats', 'member') THEN RAISE; END IF;
  END $see$`)
}

type Queryable = Pick<pg.ClientBase, 'query'>

/** Writes `count` messages of topic `orders` in one statement; resolves with their ids by position. */
export async function write(db: Queryable, count: number, key = 'k'): Promise<string[]> {
  const { rows } = await db.query(
    `INSERT INTO oncebox.outbox (id, source, topic, key, type, payload)
     SELECT gen_random_uuid(), 'shop', 'orders', $2, 'order.created', '\\x0102' FROM generate_series(1, $1::int)
     RETURNING id, position::text`,
    [count, key],
  )
  return rows.map((row) => row.id)
}

/** What a relay does when it has published everything visible now; `holder` keeps the lease for a minute. */
export async function publishAll(db: Queryable, holder: string | null = 'relay-1'): Promise<void> {
  await db.query(
    `UPDATE oncebox.relay_cursor SET last_snapshot = pg_current_snapshot(), upper_snapshot = NULL, page_position = NULL,
       epoch = epoch + 1, holder = $1::text,
       expires_at = CASE WHEN $1::text IS NOT NULL THEN clock_timestamp() + interval '1 minute' END`,
    [holder],
  )
}

/** A message of now that a group has handled. */
export async function remember(db: Queryable, group: string): Promise<void> {
  await db.query('INSERT INTO oncebox.inbox (consumer, message_id) VALUES ($1, $2)', [group, localIds.next()])
}
