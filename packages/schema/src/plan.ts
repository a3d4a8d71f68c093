import { OnceboxError, type Tx } from '@oncebox/core'
import { type AppliedMigration, readApplied } from './appliedMigrations.js'
import { type Migration, readMigrations } from './migrationFiles.js'
import { defaultSchema } from './schemaName.js'

/**
 * - `applied`: done, and the file is still the one that was applied.
 * - `pending`: the next `migrate` applies it.
 * - `changed`: applied from a file with other content (MIGRATION_CHANGED).
 * - `missing`: applied, older than the newest file, and there is no such file (MIGRATION_MISSING).
 * - `skipped`: not applied although a later one is (MIGRATION_MISSING).
 * - `newer`: applied by a newer version of this package, which serves older code too.
 */
export type MigrationState = 'applied' | 'pending' | 'changed' | 'missing' | 'skipped' | 'newer'

/** A migration, and what became of it in a database. */
export interface PlannedMigration {
  readonly version: number
  readonly name: string
  readonly state: MigrationState
  /** RFC 3339 in UTC; null when it was not applied. */
  readonly appliedAt: string | null
}

/** What the database has, against what this package knows. */
export interface MigrationPlan {
  /** The schema of the tables. */
  readonly schema: string
  /** The newest version in the database; null where nothing was applied. */
  readonly databaseVersion: number | null
  /** The newest version among the files of this package. */
  readonly codeVersion: number
  /** By version. */
  readonly migrations: readonly PlannedMigration[]
}

/**
 * What `migrate` would do, without doing it: reads on `tx`, in whatever transaction it is.
 *
 * @throws OnceboxError `INVALID_SETTING` when the schema name is not usable.
 */
export async function plan(tx: Tx, options: { readonly schema?: string } = {}): Promise<MigrationPlan> {
  const schema = options.schema ?? defaultSchema
  return planOf(schema, readMigrations(), await readApplied(tx, schema))
}

/** The pure part of `plan`: files against what the database says. */
export function planOf(
  schema: string,
  files: readonly Migration[],
  applied: readonly AppliedMigration[],
): MigrationPlan {
  const codeVersion = files.at(-1)?.version ?? 0
  const databaseVersion = applied.at(-1)?.version ?? null
  const fileOf = new Map(files.map((file) => [file.version, file]))
  const appliedOf = new Map(applied.map((row) => [row.version, row]))
  const versions = [...new Set([...fileOf.keys(), ...appliedOf.keys()])].sort((a, b) => a - b)
  const migrations = versions.map((version): PlannedMigration => {
    const file = fileOf.get(version)
    const row = appliedOf.get(version)
    const name = file?.name ?? row?.name ?? ''
    if (row === undefined) {
      const state = version < (databaseVersion ?? 0) ? 'skipped' : 'pending'
      return { version, name, state, appliedAt: null }
    }
    if (file === undefined) {
      return { version, name, state: version > codeVersion ? 'newer' : 'missing', appliedAt: row.appliedAt }
    }
    const state = file.checksum === row.checksum ? 'applied' : 'changed'
    return { version, name, state, appliedAt: row.appliedAt }
  })
  return { schema, databaseVersion, codeVersion, migrations }
}

/**
 * Refuses a plan that `migrate` must not carry out.
 *
 * @throws OnceboxError `MIGRATION_CHANGED` or `MIGRATION_MISSING`.
 */
export function requireSound(plan: MigrationPlan): void {
  const at = ` in schema ${JSON.stringify(plan.schema)}`
  for (const { version, name, state } of plan.migrations) {
    const label = `Migration ${version} (${name})`
    if (state === 'changed') {
      throw new OnceboxError('MIGRATION_CHANGED', `${label}${at} was applied from a file with other content`, {
        next: 'Use the released package that applied it, or a newer one; migrations are never edited after a release.',
      })
    }
    if (state === 'missing') {
      throw new OnceboxError('MIGRATION_MISSING', `${label}${at} was applied, but this package has no such file`, {
        next: 'Use the package that applied it, or a newer one: this one is another line of history.',
      })
    }
    if (state === 'skipped') {
      throw new OnceboxError('MIGRATION_MISSING', `${label}${at} was not applied although a later one is`, {
        next: `Look at what "oncebox migrate --print --from ${version}" prints and apply the part that was left out.`,
      })
    }
  }
}
