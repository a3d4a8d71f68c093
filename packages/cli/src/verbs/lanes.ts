import { fromPg } from '@oncebox/core/pg'
import { changeLanes, type LanesChanged, readLanes } from '@oncebox/relay'
import { openDatabase } from '../command/database.js'
import { type ExitCode, exitCode } from '../command/exitCode.js'
import type { Console } from '../command/runVerb.js'
import type { CommonFlags } from '../flags/commonFlags.js'
import type { DatabaseFlags } from '../flags/databaseFlags.js'

export interface LanesFlags extends CommonFlags, DatabaseFlags {}

/** `oncebox lanes [number]`: says how many lanes there are, or shares the keys out over another number of them. */
export async function lanes(wanted: number | undefined, flags: LanesFlags, console: Console): Promise<ExitCode> {
  const { schema } = flags
  const database = await openDatabase(flags, 'lanes')
  try {
    const before = await database.session((client) => readLanes(fromPg(client), { schema }))
    if (wanted === undefined) {
      console.output.write({ lanes: before.length }, () => count(before.length))
      return exitCode.fine
    }
    const changed = await database.session(async (client) => {
      await client.query('BEGIN ISOLATION LEVEL READ COMMITTED')
      try {
        const result = await changeLanes(fromPg(client), wanted, { schema })
        await client.query('COMMIT')
        return result
      } catch (error) {
        await client.query('ROLLBACK')
        throw error
      }
    })
    console.output.write(changed, () => describe(changed))
    return exitCode.fine
  } finally {
    await database.end()
  }
}

function describe({ before, lanes, exact }: LanesChanged): string {
  if (before === lanes) return `${count(lanes)}, as before.`
  const lines = [`${count(lanes)}; before: ${before}.`]
  if (!exact)
    lines.push('The lanes had got differently far: what some had published past the others is published again.')
  if (lanes > before)
    lines.push(
      `Keys of the new lanes wait until somebody serves them: relays that run keep to the lanes they began with. Start "oncebox relay --lane ${lanes - 1}", one for each new lane, or all anew.`,
    )
  return lines.join('\n')
}

function count(lanes: number): string {
  return lanes === 1 ? '1 lane' : `${lanes} lanes`
}
