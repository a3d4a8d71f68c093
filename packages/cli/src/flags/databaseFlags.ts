import { type Command, Option } from 'commander'

export interface DatabaseFlags {
  readonly databaseUrl?: string
  readonly schema: string
}

/** Adds `--database-url`. */
export function withDatabaseUrl(command: Command): Command {
  return command
    .optionsGroup('Database:')
    .addOption(new Option('--database-url <url>', 'postgres://user:password@host:port/database').env('DATABASE_URL'))
}

/** Adds `--database-url` and `--schema`. */
export function withDatabaseFlags(command: Command): Command {
  return withDatabaseUrl(command).addOption(
    new Option('--schema <name>', 'schema that holds the tables of oncebox').env('ONCEBOX_SCHEMA').default('oncebox'),
  )
}
