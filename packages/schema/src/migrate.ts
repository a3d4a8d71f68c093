import { classifyDatabaseError, type Logger, OnceboxError, silentLogger, systemClock, type Tx } from '@oncebox/core'
import { readApplied } from './appliedMigrations.js'
import { migrationFailure } from './migrationFailure.js'
import { type Migration, readMigrations } from './migrationFiles.js'
import { createMigrationTable, lockKey, searchPath } from './migrationStatements.js'
import { type MigrationPlan, planOf, requireSound } from './plan.js'
import { defaultSchema, quoteSchema } from './schemaName.js'
import { tables } from './tables.js'

export interface MigrateOptions {
  /** Default `oncebox`. Created when it is not there. */
  readonly schema?: string
  /** Default: silent. */
  readonly logger?: Logger
  /** The migrations to apply. Default: the files of this package. For tests. */
  readonly migrations?: readonly Migration[]
  /**
   * How long to go on trying while transactions hold tables that a migration needs for itself, in milliseconds. Default
   * three minutes.
   */
  readonly lockPatienceMs?: number
}

/**
 * Whoever writes waits behind a migration that waits for its table: it waits for so long, milliseconds, then lets them through
 * for the pause, and tries again. A `lock_timeout` that the session has already stays.
 */
const lockTimeoutMs = 2_000
const lockPauseMs = 1_000

/** What `migrate` did. */
export interface MigrateResult {
  /** The schema of the tables. */
  readonly schema: string
  /** What this call applied, by version; empty when there was nothing to do. */
  readonly applied: readonly { readonly version: number; readonly name: string }[]
  /** The newest version in the database now. */
  readonly databaseVersion: number
  /** The newest version this package knows. Smaller than `databaseVersion` when newer code has migrated: that is fine. */
  readonly codeVersion: number
}

/**
 * Brings the schema to the version of this package. Opens one transaction for each migration on `client` by BEGIN and
 * COMMIT, so `client` has to be one session (not a pool) without an open transaction. Any number of processes may run
 * it at once, also through a pooler in transaction mode, and while everything else runs: a migration waits for
 * a table for two seconds at a time, or for the session's own `lock_timeout`, and lets writers through in between. With nothing to do it only reads.
 *
 * @throws OnceboxError `MIGRATION_FAILED` with file, line and SQLSTATE (that migration is rolled back, those before it
 *   stay), `MIGRATION_CHANGED`, `MIGRATION_MISSING`, `INVALID_SETTING`, `DATABASE_NOT_PRIMARY`.
 */
export async function migrate(client: Tx, options: MigrateOptions = {}): Promise<MigrateResult> {
  const schema = options.schema ?? defaultSchema
  const logger = options.logger ?? silentLogger
  const files = options.migrations ?? readMigrations()
  quoteSchema(schema)
  const standby = await isStandby(client)
  const applied: { version: number; name: string }[] = []
  for (;;) {
    const step = standby
      ? await nothingToDo(client, schema, files)
      : await whenFree(client, schema, files, { ...options, logger })
    if (step.done === null) {
      const { databaseVersion, codeVersion } = step.plan
      const fields = { schema, databaseVersion: databaseVersion ?? 0, codeVersion }
      if (fields.databaseVersion > codeVersion) logger.info(fields, 'the schema is newer than this code: nothing to do')
      else logger.debug(fields, 'the schema is up to date')
      return { ...fields, applied }
    }
    applied.push({ version: step.done.version, name: step.done.name })
    logger.info({ schema, version: step.done.version, name: step.done.name }, 'migration applied')
  }
}

async function isStandby(client: Tx): Promise<boolean> {
  const { rows } = await client.query<{ standby: boolean }>('SELECT pg_is_in_recovery() AS standby')
  return rows[0]?.standby === true
}

/** A standby takes neither locks nor writes, but a schema that is up to date is fine there too. */
async function nothingToDo(client: Tx, schema: string, files: readonly Migration[]): Promise<Step> {
  const plan = planOf(schema, files, await readApplied(client, schema))
  requireSound(plan)
  if (plan.migrations.some((migration) => migration.state === 'pending')) {
    throw new OnceboxError('DATABASE_NOT_PRIMARY', 'Migrations are pending, and this server is a standby', {
      next: 'Connect to the primary.',
    })
  }
  return { plan, done: null }
}

interface Step {
  readonly plan: MigrationPlan
  /** What was applied; null when nothing is pending. */
  readonly done: Migration | null
}

/** Again and again while a table that is needed is in use, until the patience is at its end. */
async function whenFree(
  client: Tx,
  schema: string,
  files: readonly Migration[],
  { logger, lockPatienceMs = 180_000 }: { readonly logger: Logger; readonly lockPatienceMs?: number },
): Promise<Step> {
  const start = systemClock.now()
  for (;;) {
    try {
      return await migrateOnce(client, schema, files)
    } catch (error) {
      const inUse = classifyDatabaseError(error) === 'lockTimeout'
      if (!inUse || systemClock.now() - start + lockPauseMs > lockPatienceMs) throw error
      logger.warn({ schema }, 'a transaction holds a table that a migration needs: trying again')
      await systemClock.sleep(lockPauseMs)
    }
  }
}

/** One transaction: lock, look, apply the first pending migration if there is one. */
async function migrateOnce(client: Tx, schema: string, files: readonly Migration[]): Promise<Step> {
  // Whatever the session's defaults are: the state has to be read as it is once the lock is held.
  await client.query('BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE')
  try {
    await client.query('SELECT pg_advisory_xact_lock($1::bigint)', [lockKey(schema)])
    const plan = planOf(schema, files, await readApplied(client, schema))
    requireSound(plan)
    const version = plan.migrations.find((migration) => migration.state === 'pending')?.version
    const next = files.find((file) => file.version === version) ?? null
    if (next !== null) await apply(client, schema, next)
    await client.query('COMMIT')
    return { plan, done: next }
  } catch (error) {
    // A ROLLBACK that fails means that the connection is gone, and the transaction with it: the first error tells more.
    await client.query('ROLLBACK').catch(() => undefined)
    throw error
  }
}

async function apply(client: Tx, schema: string, migration: Migration): Promise<void> {
  await prepareSchema(client, schema)
  await client.query("SELECT set_config('search_path', $1, true)", [searchPath(schema)])
  await client.query("SELECT set_config('lock_timeout', $1, true) WHERE current_setting('lock_timeout') = '0'", [
    `${lockTimeoutMs}ms`,
  ])
  try {
    await client.query(migration.sql)
  } catch (error) {
    throw migrationFailure(schema, migration, error)
  }
  await client.query(`INSERT INTO ${tables(schema).migration} (version, name, checksum) VALUES ($1, $2, $3)`, [
    migration.version,
    migration.name,
    migration.checksum,
  ])
}

/** Creates the schema and the table `migration` where they are not: CREATE … IF NOT EXISTS asks for rights even when there is nothing to create. */
async function prepareSchema(client: Tx, schema: string): Promise<void> {
  const { rows } = await client.query<{ schema: boolean; migration: boolean }>(
    `SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1) AS schema,
       EXISTS (
         SELECT FROM pg_catalog.pg_class AS class
         JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
         WHERE namespace.nspname = $1 AND class.relname = 'migration'
       ) AS migration`,
    [schema],
  )
  if (rows[0]?.schema !== true) await client.query(`CREATE SCHEMA ${quoteSchema(schema)}`)
  if (rows[0]?.migration !== true) await client.query(createMigrationTable(schema))
}
