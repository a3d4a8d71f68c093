import type { Command } from 'commander'
import { wholeNumber, withCommonFlags } from '../flags/commonFlags.js'
import { withDatabaseFlags } from '../flags/databaseFlags.js'
import type { MigrateFlags } from '../verbs/migrate.js'
import type { PlanFlags } from '../verbs/plan.js'
import type { RunVerb } from './program.js'

// A verb's module is imported when the verb runs: the command line is parsed, and help shown, without a database
// driver or a Kafka client being loaded.

/** `migrate [--print] [--from N]` */
export function addMigrate(program: Command, run: RunVerb): void {
  const command = program
    .command('migrate')
    .summary('apply pending migrations, or print them as SQL')
    .description(
      'Brings the schema to the version of this package. Any number of processes may run it at once. With --print it ' +
        'writes plain SQL to stdout, for a migration tool that you already have, and needs no database.',
    )
    .option('--print', 'print the SQL instead of running it')
    .option('--from <version>', 'with --print: the first migration to print', wholeNumber(1))
  withCommonFlags(withDatabaseFlags(command), 'what was applied as one JSON document on stdout')
    .addHelpText(
      'after',
      examples(
        'oncebox migrate --database-url postgres://owner@localhost/shop',
        'oncebox migrate --print > V7__oncebox.sql',
        'oncebox migrate --print --from 6 > V8__oncebox.sql',
      ),
    )
    .action((flags: MigrateFlags) =>
      run(flags, async (console) => (await import('../verbs/migrate.js')).migrate(flags, console)),
    )
}

/** `plan` */
export function addPlan(program: Command, run: RunVerb): void {
  const command = program
    .command('plan')
    .summary('say what migrate would do; exit 1 unless that is nothing')
    .description('Compares the migrations of this package with those recorded in the database, and changes nothing.')
  withCommonFlags(withDatabaseFlags(command), 'the plan as one JSON document on stdout')
    .addHelpText('after', examples('oncebox plan', 'oncebox plan --json | jq .migrations'))
    .action((flags: PlanFlags) =>
      run(flags, async (console) => (await import('../verbs/plan.js')).plan(flags, console)),
    )
}

function examples(...lines: string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ${line}`).join('\n')}`
}
