import { isUuid, localIds } from '@oncebox/core'
import { fromPg } from '@oncebox/core/pg'
import { handleAgain, requireConsumerGroup } from '@oncebox/inbox'
import {
  beginReplayRun,
  type PlannedReplay,
  planReplay,
  type ReplayFilter,
  replayRunStep,
  replayRuns,
} from '@oncebox/ops'
import type { PoolClient } from 'pg'
import { type OpenDatabase, openDatabase } from '../command/database.js'
import { deciderOf } from '../command/decider.js'
import { type ExitCode, exitCode } from '../command/exitCode.js'
import { UsageError } from '../command/failure.js'
import { inTransaction } from '../command/inTransaction.js'
import type { Console } from '../command/runVerb.js'
import { pause } from '../command/stopSignal.js'
import type { ReplayFlags } from './replay.js'

const largestStep = 500
const stepsPerSecond = 10

/**
 * `oncebox replay --again --group G`: has messages of the outbox handled once more by one consumer group, whatever its inbox
 * remembers. Written into the group's own database; a run that was stopped or killed goes on with `--run`. Stopped: exit 1.
 */
export async function replayAgain(
  filter: ReplayFilter | null,
  flags: ReplayFlags,
  console: Console,
): Promise<ExitCode> {
  const group = checkUsage(filter, flags)
  const stop = console.stopRequested()
  const outbox = await openDatabase(flags, 'replay')
  const elsewhere = flags.consumerUrl?.[0]
  try {
    const target = elsewhere === undefined ? outbox : await openDatabase({ ...flags, databaseUrl: elsewhere }, 'replay')
    try {
      const databases = { outbox, target }
      if (flags.run !== undefined) return await carryOut(flags.run, databases, flags, stop, console)
      return await begin(group, filter as ReplayFilter, databases, flags, stop, console)
    } finally {
      if (target !== outbox) await target.end()
    }
  } finally {
    await outbox.end()
  }
}

interface Databases {
  readonly outbox: OpenDatabase
  /** That of the group. */
  readonly target: OpenDatabase
}

function checkUsage(filter: ReplayFilter | null, flags: ReplayFlags): string {
  if ((flags.consumerUrl?.length ?? 0) > 1) throw new UsageError('a group has one database: give one --consumer-url')
  if (flags.run !== undefined) {
    if (!isUuid(flags.run)) throw new UsageError('a run is named by its id, a UUID')
    if (filter !== null || flags.group !== undefined) {
      throw new UsageError('--run goes on with what was asked for', 'Give neither a group nor a filter with it.')
    }
    return ''
  }
  if (flags.group === undefined) {
    throw new UsageError('it is not said which group shall handle the messages again', 'Give --group NAME.')
  }
  if (flags.dryRun !== true && (flags.reason ?? '').trim() === '') {
    throw new UsageError('handling messages again needs a reason', 'Give --reason "why"; it is kept with your name.')
  }
  if (flags.after !== undefined) throw new UsageError('a run is gone on with by --run, not by --after')
  return flags.group
}

async function begin(
  group: string,
  filter: ReplayFilter,
  databases: Databases,
  flags: ReplayFlags,
  stop: AbortSignal,
  console: Console,
): Promise<ExitCode> {
  const { schema } = flags
  const { logger, output } = console
  const plan = await databases.outbox.session((client) => planReplay(fromPg(client), { schema, filter }))
  await databases.target.session((client) => requireConsumerGroup(fromPg(client), { schema, group }))
  const open = await databases.target.session((client) => replayRuns(fromPg(client), { schema, group }))
  for (const { run, by, asked, messages } of open) {
    logger.warn({ run, by, asked, messages }, 'an earlier run for this group has not ended: go on with it by --run')
  }
  if (flags.dryRun === true) {
    output.write({ dryRun: true, group, messages: plan.messages, topics: plan.topics }, () => describePlan(group, plan))
    return exitCode.fine
  }
  if (plan.messages === 0) {
    logger.error({}, 'There is nothing to handle again: past its retention, or outside of --since and --until?')
    return exitCode.problem
  }
  if (flags.yes !== true) {
    throw new UsageError(
      `group ${group} would handle ${plan.messages} messages again, and their effects happen again`,
      'Look at them with --dry-run, then give --yes.',
    )
  }
  const by = deciderOf(flags)
  const run = localIds.next()
  await databases.target.session((client) =>
    inTransaction(client, () =>
      beginReplayRun(fromPg(client), { schema, run, group, plan, by, why: flags.reason ?? '' }),
    ),
  )
  logger.info(
    { run, group, messages: plan.messages },
    'the run has begun; if it is interrupted, go on with --again --run',
  )
  return carryOut(run, databases, flags, stop, console)
}

function describePlan(group: string, { messages, topics }: PlannedReplay): string {
  const list = topics.map((one) => `  ${one.messages} of ${one.topic}`)
  return [`Group ${group} would handle ${messages} message${messages === 1 ? '' : 's'} again.`, ...list].join('\n')
}

async function carryOut(
  run: string,
  { outbox, target }: Databases,
  flags: ReplayFlags,
  stop: AbortSignal,
  { output, logger }: Console,
): Promise<ExitCode> {
  const { schema, rate } = flags
  const limit = Math.max(1, Math.min(largestStep, Math.floor(rate / stepsPerSecond)))
  const sum = { asked: 0, waiting: 0, dead: 0 }
  let more = true
  await outbox.session((reading) =>
    target.session(async (writing) => {
      while (more && !stop.aborted) {
        const began = performance.now()
        const step = await inTransaction(writing, () => ask(reading, writing, run, limit, schema))
        more = step.more
        for (const name of ['asked', 'waiting', 'dead'] as const) sum[name] += step[name]
        logger.info({ run, asked: sum.asked }, 'messages asked for')
        const due = ((step.asked + step.waiting + step.dead) / rate) * 1000 - (performance.now() - began)
        if (more && due > 0) await pause(due, stop)
      }
    }),
  )
  const [kept] = await target.session((client) => replayRuns(fromPg(client), { schema, run }))
  const told = { dryRun: false, run, group: kept?.group ?? null, messages: kept?.messages ?? 0, ...sum, ended: !more }
  output.write(told, () => {
    if (more) return `Asked for ${sum.asked}. Go on with: oncebox replay --again --run ${run}`
    const left = [
      ...(sum.waiting > 0 ? [`${sum.waiting} waited there anyway.`] : []),
      ...(sum.dead > 0 ? [`${sum.dead} are dead letters: see "oncebox dead list".`] : []),
    ]
    return [`Asked for ${sum.asked}: running consumers of ${told.group} handle them.`, ...left].join('\n')
  })
  return more ? exitCode.problem : exitCode.fine
}

function ask(reading: PoolClient, writing: PoolClient, run: string, limit: number, schema: string) {
  const tx = fromPg(writing)
  return replayRunStep(fromPg(reading), tx, { schema, run, limit }, (group, records, by) =>
    handleAgain(tx, { schema, group, records, by }),
  )
}
