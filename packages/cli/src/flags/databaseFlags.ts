import { type Command, Option } from 'commander'

export interface DatabaseFlags {
  readonly databaseUrl?: string
  readonly schema: string
}

/** Adds `--database-url` and `--schema`. */
export function withDatabaseFlags(command: Command): Command {
  return command
    .optionsGroup('Database:')
    .addOption(new Option('--database-url <url>', 'postgres://user:password@host:port/database').env('DATABASE_URL'))
    .addOption(
      new Option('--schema <name>', 'schema that holds the tables of oncebox').env('ONCEBOX_SCHEMA').default('oncebox'),
    )
}
