import { fromPg } from '@oncebox/core/pg'
import { tail as readTail, type TailCursor, type TailMessage } from '@oncebox/ops'
import { requireSchema } from '@oncebox/schema'
import { openDatabase } from '../command/database.js'
import { type ExitCode, exitCode } from '../command/exitCode.js'
import { printable } from '../command/printable.js'
import type { Console } from '../command/runVerb.js'
import { pause } from '../command/stopSignal.js'
import type { CommonFlags } from '../flags/commonFlags.js'
import type { DatabaseFlags } from '../flags/databaseFlags.js'

export interface TailFlags extends CommonFlags, DatabaseFlags {
  readonly last: number
}

const pollEveryMs = 250

/** `oncebox tail`: the newest messages, then every message as its transaction commits, until it is told to stop. */
export async function tail(flags: TailFlags, console: Console): Promise<ExitCode> {
  const { output } = console
  const database = await openDatabase(flags, 'tail')
  try {
    const stop = console.stopRequested()
    await database.session(async (client) => {
      const tx = fromPg(client)
      await requireSchema(tx, { schema: flags.schema })
      let after: TailCursor | undefined
      while (!stop.aborted) {
        const place = after === undefined ? { limit: flags.last } : { after }
        const page = await readTail(tx, { schema: flags.schema, ...place })
        for (const message of page.messages) output.write(message, () => describe(message))
        after = page.after
        if (!page.more) await pause(pollEveryMs, stop)
      }
    })
    return exitCode.fine
  } finally {
    await database.end()
  }
}

function describe({ position, id, topic, key, type, time, bytes }: TailMessage): string {
  const name = key === null ? 'no key' : `key ${printable(JSON.stringify(key))}`
  return `${time}  ${position}  ${printable(topic)}  ${printable(type)}  ${name}  ${id}  ${bytes} B`
}
