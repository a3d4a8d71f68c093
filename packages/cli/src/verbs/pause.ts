import { fromPg } from '@oncebox/core/pg'
import { type Pause, type PauseTarget, pausePublishing, readPauses, resumePublishing } from '@oncebox/ops'
import { openDatabase } from '../command/database.js'
import { deciderOf } from '../command/decider.js'
import { type ExitCode, exitCode } from '../command/exitCode.js'
import { UsageError } from '../command/failure.js'
import { inTransaction } from '../command/inTransaction.js'
import { printable } from '../command/printable.js'
import type { Console } from '../command/runVerb.js'
import type { CommonFlags } from '../flags/commonFlags.js'
import type { DatabaseFlags } from '../flags/databaseFlags.js'

export interface PauseFlags extends CommonFlags, DatabaseFlags {
  readonly topic?: readonly string[]
  readonly lane?: readonly number[]
  readonly all?: boolean
  readonly reason?: string
  readonly by?: string
}

/** `oncebox pause` and `oncebox resume`: what relays publish nothing of, and what goes on. Said twice, it is done once. */
export async function pause(action: 'pause' | 'resume', flags: PauseFlags, console: Console): Promise<ExitCode> {
  const named = targetsOf(flags)
  if (named.length === 0 && flags.all !== true) {
    throw new UsageError(`it is not said what to ${action}`, `Give --topic NAME or --lane NUMBER.`)
  }
  const by = deciderOf(flags)
  const { schema, reason } = flags
  const database = await openDatabase(flags, action)
  try {
    return await database.session(async (client) => {
      const tx = fromPg(client)
      const { changed, paused } = await inTransaction(client, async () => {
        const targets = flags.all === true ? (await readPauses(tx, { schema })).map(targetOf) : named
        const options = { schema, targets, by, ...(reason === undefined ? {} : { why: reason }) }
        const decide = action === 'pause' ? pausePublishing : resumePublishing
        const done = targets.length === 0 ? [] : await decide(tx, options)
        return { changed: done, paused: await readPauses(tx, { schema }) }
      })
      console.output.write({ action, changed, paused }, () => describe(action, changed, paused))
      return exitCode.fine
    })
  } finally {
    await database.end()
  }
}

function targetsOf({ topic = [], lane = [] }: PauseFlags): PauseTarget[] {
  return [...topic.map((name) => ({ topic: name })), ...lane.map((number) => ({ lane: number }))]
}

function targetOf({ lane, topic }: Pause): PauseTarget {
  return lane === null ? { topic: topic ?? '' } : { lane }
}

function describe(action: 'pause' | 'resume', changed: readonly PauseTarget[], paused: readonly Pause[]): string {
  const names = changed.map((target) => ('lane' in target ? `lane ${target.lane}` : `topic ${target.topic}`))
  const done =
    changed.length === 0
      ? `Nothing changed: ${action === 'pause' ? 'paused already' : 'not paused'}.`
      : `${action === 'pause' ? 'Paused' : 'Resumed'} ${printable(names.join(', '))}; running relays follow within a second or two.`
  return [done, ...paused.map(describePause)].join('\n')
}

/** `topic orders: paused 5 min ago by ann, "broker upgrade"` */
export function describePause({ lane, topic, seconds, by, why }: Pause): string {
  const what = lane === null ? `topic ${topic}` : `lane ${lane}`
  const since =
    seconds < 120
      ? `${seconds} s`
      : seconds < 7_200
        ? `${Math.round(seconds / 60)} min`
        : `${Math.round(seconds / 3_600)} h`
  return printable(`${what}: paused ${since} ago by ${by}${why === null ? '' : `, ${JSON.stringify(why)}`}`)
}
