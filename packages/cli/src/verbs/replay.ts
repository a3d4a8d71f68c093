import { isUuid, isUuidV7, uuidV7Time } from '@oncebox/core'
import { fromPg } from '@oncebox/core/pg'
import { type PlannedReplay, planReplay, type ReplayFilter, replayStep } from '@oncebox/ops'
import type { PoolClient } from 'pg'
import { openDatabase } from '../command/database.js'
import { type ExitCode, exitCode } from '../command/exitCode.js'
import { UsageError } from '../command/failure.js'
import { inTransaction } from '../command/inTransaction.js'
import type { Console } from '../command/runVerb.js'
import { pause } from '../command/stopSignal.js'
import type { CommonFlags } from '../flags/commonFlags.js'
import type { ConsumerFlags } from '../flags/consumerFlags.js'
import type { DatabaseFlags } from '../flags/databaseFlags.js'

export interface ReplayFlags extends CommonFlags, DatabaseFlags, ConsumerFlags {
  readonly topic?: string
  readonly key?: string
  readonly type?: string
  /** Milliseconds since the Unix epoch. */
  readonly since?: number
  readonly until?: number
  /** Messages a second. */
  readonly rate: number
  readonly dryRun?: boolean
  readonly yes?: boolean
  /** Positions: where an earlier replay stopped, and where it would have ended. */
  readonly after?: string
  readonly before?: string
  /** A new delivery to one group, instead of a publish. */
  readonly again?: boolean
  readonly group?: string
  readonly run?: string
  readonly reason?: string
  readonly by?: string
}

const hourMs = 3_600_000
const largestStep = 500
const stepsPerSecond = 10

/** `oncebox replay`: publishes messages of the outbox again, with their ids, in their order. Stopped half way: exit 1. */
export async function replay(ids: readonly string[], flags: ReplayFlags, console: Console): Promise<ExitCode> {
  if (flags.again === true) {
    const { replayAgain } = await import('./replayAgain.js')
    return replayAgain(flags.run === undefined || isFiltered(ids, flags) ? filterOf(ids, flags) : null, flags, console)
  }
  for (const name of ['group', 'run', 'consumerUrl'] as const) {
    if (flags[name] !== undefined)
      throw new UsageError(`--${name === 'consumerUrl' ? 'consumer-url' : name} only goes with --again`)
  }
  const filter = filterOf(ids, flags)
  const stop = console.stopRequested()
  const database = await openDatabase(flags, 'replay')
  try {
    return await database.session(async (client) => {
      const { schema, after, before } = flags
      const bounds = { ...(after === undefined ? {} : { after }), ...(before === undefined ? {} : { before }) }
      const plan = await planReplay(fromPg(client), { schema, filter, ...bounds })
      if (flags.dryRun === true) return tell(plan, console)
      if (plan.messages === 0) {
        console.logger.error({}, 'There is nothing to replay: past its retention, or outside of --since and --until?')
        return ids.length > 0 ? exitCode.problem : exitCode.fine
      }
      if (ids.length === 0 && flags.yes !== true) {
        throw new UsageError(`${plan.messages} messages are found`, 'Look at them with --dry-run, then give --yes.')
      }
      return carryOut(client, plan, flags.rate, stop, console)
    })
  } finally {
    await database.end()
  }
}

function isFiltered(ids: readonly string[], { topic, key, type, since }: ReplayFlags): boolean {
  return ids.length > 0 || [topic, key, type, since].some((value) => value !== undefined)
}

function filterOf(ids: readonly string[], flags: ReplayFlags): ReplayFilter {
  const { topic, key, type, since, until, after, before } = flags
  if (ids.some((id) => !isUuid(id))) throw new UsageError('a message is named by its id, a UUID')
  if ((after === undefined) !== (before === undefined)) {
    throw new UsageError('--after and --before belong together', 'Take both from the replay that was stopped.')
  }
  if (!isFiltered(ids, flags)) {
    throw new UsageError('it is not said what to replay', 'Give ids, --topic, --key, --type, or --since.')
  }
  const now = Date.now()
  // Without a time, ids are looked for in everything that is retained.
  const unbounded = ids.length > 0 ? 0 : now - hourMs
  return {
    ...(ids.length === 0 ? {} : { ids }),
    ...(topic === undefined ? {} : { topic }),
    ...(key === undefined ? {} : { key }),
    ...(type === undefined ? {} : { type }),
    fromMs: since ?? earliest(ids) ?? unbounded,
    toMs: until ?? now + hourMs,
  }
}

/** Ids carry the time at which they were made, which is not after they were written; clocks may differ. */
function earliest(ids: readonly string[]): number | undefined {
  if (ids.length === 0 || !ids.every(isUuidV7)) return undefined
  return Math.max(0, Math.min(...ids.map(uuidV7Time)) - hourMs)
}

function tell({ messages, topics, after, before }: PlannedReplay, { output }: Console): ExitCode {
  output.write({ dryRun: true, messages, topics, after, before }, () => {
    const list = topics.map((one) => `  ${one.messages} of ${one.topic}`)
    return [`Would replay ${messages} message${messages === 1 ? '' : 's'}.`, ...list].join('\n')
  })
  return exitCode.fine
}

async function carryOut(
  client: PoolClient,
  plan: PlannedReplay,
  rate: number,
  stop: AbortSignal,
  { output, logger }: Console,
): Promise<ExitCode> {
  const limit = Math.max(1, Math.min(largestStep, Math.floor(rate / stepsPerSecond)))
  const seen = new Set<string>()
  let after: string | null = plan.after
  while (after !== null && !stop.aborted) {
    const began = performance.now()
    const from: string = after
    const step = await inTransaction(client, () => replayStep(fromPg(client), { ...plan, after: from }, limit, seen))
    after = step.after
    logger.info({ copied: seen.size, of: plan.messages }, 'messages copied to the end of the outbox')
    const due = (step.copied.length / rate) * 1000 - (performance.now() - began)
    if (after !== null && due > 0) await pause(due, stop)
  }
  const rest = after === null ? null : { after, before: plan.before }
  output.write({ dryRun: false, messages: plan.messages, copied: seen.size, rest }, () =>
    rest === null
      ? `Replayed ${seen.size} message${seen.size === 1 ? '' : 's'}: the relay publishes them again.`
      : `Replayed ${seen.size} of ${plan.messages}. Go on with: --after ${rest.after} --before ${rest.before}`,
  )
  return rest === null ? exitCode.fine : exitCode.problem
}
