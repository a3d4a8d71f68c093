import { OnceboxError, type Tx } from '@oncebox/core'
import { schemaVersion } from './appliedMigrations.js'
import { currentVersion } from './currentVersion.js'
import { defaultSchema } from './schemaName.js'

export interface RequireSchemaOptions {
  /** Default `oncebox`. */
  readonly schema?: string
  /** The oldest version that will do. Default: the newest this code knows. */
  readonly minimumVersion?: number
}

/**
 * Checks, when a relay or a consumer starts, that the schema is there and new enough; answers its version. A newer one
 * is fine. Reads on `tx`, in whatever transaction it is.
 *
 * @throws OnceboxError `SCHEMA_NOT_MIGRATED` with the command to run, or `INVALID_SETTING` for the schema name.
 */
export async function requireSchema(tx: Tx, options: RequireSchemaOptions = {}): Promise<number> {
  const schema = options.schema ?? defaultSchema
  const minimumVersion = options.minimumVersion ?? currentVersion
  const version = await schemaVersion(tx, { schema })
  if (version !== null && version >= minimumVersion) return version
  const name = JSON.stringify(schema)
  const what =
    version === null
      ? `There is no migrated schema ${name} in this database`
      : `Schema ${name} is at version ${version}, and version ${minimumVersion} is needed`
  throw new OnceboxError('SCHEMA_NOT_MIGRATED', what, { next: `Run "${migrateCommand(schema)}".` })
}

/** The command that migrates a schema, for texts; the name is quoted for a shell where it needs to be. */
export function migrateCommand(schema: string): string {
  if (schema === defaultSchema) return 'oncebox migrate'
  const plain = /^[a-zA-Z0-9_.-]+$/.test(schema) && !schema.startsWith('-')
  return `oncebox migrate --schema ${plain ? schema : `'${schema.replaceAll("'", `'\\''`)}'`}`
}
