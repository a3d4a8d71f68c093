import { fromPg } from '@oncebox/core/pg'
import { status as readStatus, type Status } from '@oncebox/ops'
import { openDatabase } from '../command/database.js'
import { type ExitCode, exitCode } from '../command/exitCode.js'
import type { Console } from '../command/runVerb.js'
import { pause } from '../command/stopSignal.js'
import type { CommonFlags } from '../flags/commonFlags.js'
import type { DatabaseFlags } from '../flags/databaseFlags.js'
import { describeStatus } from './describeStatus.js'

export interface StatusFlags extends CommonFlags, DatabaseFlags {
  readonly watch?: boolean
}

const watchEveryMs = 2_000

/** `oncebox status`: how things stand, once or, with `--watch`, every two seconds. A problem found is exit 1. */
export async function status(flags: StatusFlags, console: Console): Promise<ExitCode> {
  const { output } = console
  const database = await openDatabase(flags, 'status')
  try {
    const look = () => database.session((client) => readStatus(fromPg(client), { schema: flags.schema }))
    if (flags.watch !== true) {
      const found = await look()
      output.write(found, () => describeStatus(found))
      return codeOf(found)
    }
    const stop = console.stopRequested()
    let found: Status
    do {
      found = await look()
      const shown = found
      output.write(shown, () => `${clearScreen()}${describeStatus(shown)}`)
      await pause(watchEveryMs, stop)
    } while (!stop.aborted)
    return codeOf(found)
  } finally {
    await database.end()
  }
}

function codeOf({ problems }: Status): ExitCode {
  return problems.length === 0 ? exitCode.fine : exitCode.problem
}

/** Only a terminal is cleared; in a file, one account follows the other. */
function clearScreen(): string {
  return process.stdout.isTTY === true ? '\u001b[2J\u001b[H' : '\n'
}
