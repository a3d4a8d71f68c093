import { fromPg } from '@oncebox/core/pg'
import { status as readStatus, type Status } from '@oncebox/ops'
import { openDatabase, runsOn } from '../command/database.js'
import { waitShortly } from '../command/databases.js'
import { type ExitCode, exitCode } from '../command/exitCode.js'
import type { Console } from '../command/runVerb.js'
import type { CommonFlags } from '../flags/commonFlags.js'
import type { DatabaseFlags } from '../flags/databaseFlags.js'
import { describeStatus } from './describeStatus.js'
import { watchStatus } from './statusWatch.js'

export interface StatusFlags extends CommonFlags, DatabaseFlags {
  readonly watch?: boolean
}

/** `oncebox status`: how things stand, once or, with `--watch`, again and again. A problem found is exit 1. */
export async function status(flags: StatusFlags, console: Console): Promise<ExitCode> {
  const { output } = console
  const database = await openDatabase(flags, 'status', flags.watch === true ? runsOn : {})
  try {
    if (flags.watch === true) {
      const last = await watchStatus(database, flags.schema, console)
      if (process.stdout.isTTY === true && !output.json) output.write(last.status, () => describeStatus(last.status))
      return codeOf(last.status)
    }
    const found = await database.session(async (client) => {
      await waitShortly(client)
      return readStatus(fromPg(client), { schema: flags.schema })
    })
    output.write(found, () => describeStatus(found))
    return codeOf(found)
  } finally {
    await database.end()
  }
}

function codeOf({ problems }: Status): ExitCode {
  return problems.length === 0 ? exitCode.fine : exitCode.problem
}
