import { fromPg } from '@oncebox/core/pg'
import {
  applyRoles,
  defaultRoles,
  type MigrateResult,
  migrate as migrateSchema,
  printMigrations,
} from '@oncebox/schema'
import { openDatabase } from '../command/database.js'
import { type ExitCode, exitCode } from '../command/exitCode.js'
import { UsageError } from '../command/failure.js'
import { inTransaction } from '../command/inTransaction.js'
import type { Console } from '../command/runVerb.js'
import type { CommonFlags } from '../flags/commonFlags.js'
import type { DatabaseFlags } from '../flags/databaseFlags.js'

export interface MigrateFlags extends CommonFlags, DatabaseFlags {
  readonly print?: boolean
  readonly from?: number
  readonly roles?: boolean
}

/** `oncebox migrate`: applies what is pending, or prints it as SQL without touching a database. */
export async function migrate(flags: MigrateFlags, console: Console): Promise<ExitCode> {
  if (flags.print === true && flags.roles === true) {
    throw new UsageError('--roles does not go with --print', 'Print them with "oncebox roles".')
  }
  if (flags.print === true) return print(flags, console)
  if (flags.from !== undefined)
    throw new UsageError('--from only goes with --print', 'migrate applies what is pending.')
  const database = await openDatabase(flags, 'migrate')
  try {
    const { schema } = flags
    const result = await database.session(async (client) => {
      const migrated = await migrateSchema(fromPg(client), { schema, logger: console.logger })
      if (flags.roles !== true) return migrated
      await inTransaction(client, () => applyRoles(fromPg(client), { schema }))
      return { ...migrated, roles: Object.values(defaultRoles(schema)) }
    })
    console.output.write(result, () => summary(result))
    return exitCode.fine
  } finally {
    await database.end()
  }
}

function print(flags: MigrateFlags, console: Console): ExitCode {
  const sql = printMigrations({ schema: flags.schema, ...(flags.from === undefined ? {} : { from: flags.from }) })
  if (console.output.json) console.output.write({ schema: flags.schema, sql }, () => null)
  else console.output.raw(sql)
  return exitCode.fine
}

function summary(result: MigrateResult & { readonly roles?: readonly string[] }): string {
  const { schema, applied, databaseVersion, roles } = result
  const name = JSON.stringify(schema)
  const rights = roles === undefined ? [] : [`Rights given to ${roles.join(', ')}.`]
  if (applied.length === 0)
    return [`Schema ${name} is at version ${databaseVersion}: nothing to do.`, ...rights].join('\n')
  const lines = applied.map((migration) => `  applied ${migration.version} ${migration.name}`)
  return [`Schema ${name} is at version ${databaseVersion}.`, ...lines, ...rights].join('\n')
}
