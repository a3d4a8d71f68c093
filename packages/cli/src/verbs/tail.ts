import type { Tx } from '@oncebox/core'
import { fromPg } from '@oncebox/core/pg'
import {
  type PublishedCursor,
  type PublishedMessage,
  tail as readTail,
  type TailCursor,
  type TailFilter,
  type TailMessage,
  tailPublished,
} from '@oncebox/ops'
import { requireSchema } from '@oncebox/schema'
import { openDatabase, runsOn } from '../command/database.js'
import { type ExitCode, exitCode } from '../command/exitCode.js'
import { printable } from '../command/printable.js'
import type { Console } from '../command/runVerb.js'
import { pause } from '../command/stopSignal.js'
import type { CommonFlags } from '../flags/commonFlags.js'
import type { DatabaseFlags } from '../flags/databaseFlags.js'

export interface TailFlags extends CommonFlags, DatabaseFlags {
  readonly last: number
  readonly topic?: string
  readonly key?: string
  readonly type?: string
  readonly lane?: number
  readonly published?: boolean
}

const pollEveryMs = 250

/**
 * `oncebox tail`: the newest messages, then every message as its transaction commits, or with `--published` as the relay
 * publishes it, until it is told to stop.
 */
export async function tail(flags: TailFlags, console: Console): Promise<ExitCode> {
  const { output } = console
  const database = await openDatabase(flags, 'tail', runsOn)
  try {
    const stop = console.stopRequested()
    await database.session(async (client) => {
      const tx = fromPg(client)
      await requireSchema(tx, { schema: flags.schema })
      const filter = filterOf(flags)
      if (flags.published === true) return followPublished(tx, flags.schema, filter, stop, console)
      let after: TailCursor | undefined
      while (!stop.aborted) {
        const place = after === undefined ? { limit: flags.last } : { after }
        const page = await readTail(tx, { schema: flags.schema, filter, ...place })
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

async function followPublished(
  tx: Tx,
  schema: string,
  filter: TailFilter,
  stop: AbortSignal,
  { output }: Console,
): Promise<void> {
  let after: PublishedCursor | undefined
  while (!stop.aborted) {
    const page = await tailPublished(tx, { schema, filter, ...(after === undefined ? {} : { after }) })
    for (const message of page.messages) output.write(message, () => describePublished(message))
    after = page.after
    await pause(pollEveryMs, stop)
  }
}

function filterOf({ topic, key, type, lane }: TailFlags): TailFilter {
  return {
    ...(topic === undefined ? {} : { topic }),
    ...(key === undefined ? {} : { key }),
    ...(type === undefined ? {} : { type }),
    ...(lane === undefined ? {} : { lane }),
  }
}

function describePublished(message: PublishedMessage): string {
  const { at, partition, offset } = message.published
  return `${describe({ ...message, time: at })}  to ${partition}${offset === null ? '' : `@${offset}`}`
}

function describe({ position, id, topic, key, type, time, bytes }: TailMessage): string {
  const name = key === null ? 'no key' : `key ${printable(JSON.stringify(key))}`
  return `${time}  ${position}  ${printable(topic)}  ${printable(type)}  ${name}  ${id}  ${bytes} B`
}
