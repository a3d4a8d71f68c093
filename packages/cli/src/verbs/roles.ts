import { printRoles, type RoleKind, roleKinds } from '@oncebox/schema'
import { type ExitCode, exitCode } from '../command/exitCode.js'
import type { Console } from '../command/runVerb.js'
import type { CommonFlags } from '../flags/commonFlags.js'
import type { DatabaseFlags } from '../flags/databaseFlags.js'

export interface RolesFlags extends CommonFlags, DatabaseFlags, Partial<Readonly<Record<RoleKind, string>>> {}

/** `oncebox roles`: the grants as SQL, for the roles that are named, or for all five. Touches no database. */
export async function roles(flags: RolesFlags, { output }: Console): Promise<ExitCode> {
  const { schema } = flags
  const named = roleKinds.filter((kind) => flags[kind] !== undefined)
  const chosen = Object.fromEntries(named.map((kind) => [kind, flags[kind]])) as Partial<Record<RoleKind, string>>
  const sql = printRoles({ schema, ...(named.length === 0 ? {} : { roles: chosen }) })
  if (output.json) output.write({ schema, sql }, () => null)
  else output.raw(sql)
  return exitCode.fine
}
