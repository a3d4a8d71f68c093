import type { PoolClient } from 'pg'
import type { ConsumerFlags } from '../flags/consumerFlags.js'
import type { DatabaseFlags } from '../flags/databaseFlags.js'
import { openDatabase } from './database.js'

/** One of the databases that a command looks at. */
export interface LookedAt {
  /** host:port/name, without credentials. */
  readonly name: string
  /** The one of `--database-url`, where messages are written; the others are of consumers. */
  readonly main: boolean
  readonly client: PoolClient
}

const lockTimeoutMs = 2_000

/** So that a command which looks never waits for long behind somebody's lock. */
export async function waitShortly(client: PoolClient): Promise<void> {
  await client.query(`SELECT set_config('lock_timeout', $1, false)`, [String(lockTimeoutMs)])
}

/**
 * Runs `work` for `--database-url`, then for each `--consumer-url`, on a session of its own, one after the other.
 *
 * @throws what `openDatabase` throws.
 */
export async function eachDatabase<T>(
  flags: DatabaseFlags & ConsumerFlags,
  verb: string,
  work: (database: LookedAt) => Promise<T>,
): Promise<T[]> {
  const results: T[] = []
  for (const [number, databaseUrl] of [flags.databaseUrl, ...(flags.consumerUrl ?? [])].entries()) {
    const url = databaseUrl === undefined ? {} : { databaseUrl }
    const database = await openDatabase({ schema: flags.schema, ...url }, verb)
    try {
      const result = await database.session(async (client) => {
        await waitShortly(client)
        const { rows } = await client.query<{ name: string }>('SELECT current_database() AS name')
        return work({ name: `${database.address}/${rows[0]?.name}`, main: number === 0, client })
      })
      results.push(result)
    } finally {
      await database.end()
    }
  }
  return results
}
