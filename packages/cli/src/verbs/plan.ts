import { fromPg } from '@oncebox/core/pg'
import { type MigrationPlan, type MigrationState, migrateCommand, plan as planSchema } from '@oncebox/schema'
import { openDatabase } from '../command/database.js'
import { type ExitCode, exitCode } from '../command/exitCode.js'
import type { Console } from '../command/runVerb.js'
import { textTable } from '../command/textTable.js'
import type { CommonFlags } from '../flags/commonFlags.js'
import type { DatabaseFlags } from '../flags/databaseFlags.js'

export interface PlanFlags extends CommonFlags, DatabaseFlags {}

const settled: readonly MigrationState[] = ['applied', 'newer']

/** `oncebox plan`: what `migrate` would do. A problem (exit 1) unless everything is applied. */
export async function plan(flags: PlanFlags, console: Console): Promise<ExitCode> {
  const database = await openDatabase(flags, 'plan')
  try {
    const result = await database.session((client) => planSchema(fromPg(client), { schema: flags.schema }))
    console.output.write(result, () => describe(result))
    return result.migrations.every(({ state }) => settled.includes(state)) ? exitCode.fine : exitCode.problem
  } finally {
    await database.end()
  }
}

function describe(plan: MigrationPlan): string {
  const rows = plan.migrations.map(({ version, name, state, appliedAt }) => [
    String(version),
    name,
    state,
    appliedAt ?? '',
  ])
  const pending = plan.migrations.filter(({ state }) => state === 'pending').length
  const unsound = plan.migrations.filter(({ state }) => !settled.includes(state) && state !== 'pending')
  const table = textTable(['version', 'name', 'state', 'applied'], rows)
  if (unsound.length > 0) {
    const states = unsound.map(({ version, state }) => `${version} is ${state}`).join(', ')
    return `${table}\n\n"${migrateCommand(plan.schema)}" would refuse this schema (${states}) and say why.`
  }
  if (pending > 0) return `${table}\n\n${pending} pending: run "${migrateCommand(plan.schema)}".`
  return `${table}\n\nNothing to do.`
}
