import { createInterface } from 'node:readline/promises'
import { fromPg } from '@oncebox/core/pg'
import {
  type GroupBehind,
  type PinnedTopic,
  planRepin,
  type RepinPlan,
  readGroupsBehind,
  readPinnedTopics,
  repinObstacle,
  repinTopic,
} from '@oncebox/ops'
import type { Inspector } from '@oncebox/transport'
import { openDatabase } from '../command/database.js'
import { eachDatabase } from '../command/databases.js'
import { deciderOf } from '../command/decider.js'
import { type ExitCode, exitCode } from '../command/exitCode.js'
import { UsageError } from '../command/failure.js'
import { openInspector } from '../command/inspector.js'
import { inTransaction } from '../command/inTransaction.js'
import { printable } from '../command/printable.js'
import type { Console } from '../command/runVerb.js'
import { textTable } from '../command/textTable.js'
import type { CommonFlags } from '../flags/commonFlags.js'
import type { ConsumerFlags } from '../flags/consumerFlags.js'
import type { DatabaseFlags } from '../flags/databaseFlags.js'
import type { TransportFlags } from '../flags/transportFlags.js'

export interface TopicsFlags extends CommonFlags, DatabaseFlags, ConsumerFlags, Omit<TransportFlags, 'topic'> {
  readonly dryRun?: boolean
  readonly yes?: boolean
  readonly reason?: string
  readonly by?: string
}

export type TopicsAction = 'list' | 'repin'

/** `oncebox topics`: over how many partitions keys are spread, and how many there are; or over all of them from now on. */
export async function topics(
  action: TopicsAction,
  topic: string | undefined,
  flags: TopicsFlags,
  console: Console,
): Promise<ExitCode> {
  if (action === 'list' && topic !== undefined) throw new UsageError('topics list takes no topic')
  if (action === 'repin' && topic === undefined) {
    throw new UsageError('it is not said which topic to repin', 'See them with "oncebox topics".')
  }
  const inspector = await openInspector(flags, console.logger)
  try {
    if (topic === undefined) return await list(flags, inspector, console)
    if (inspector === null) {
      throw new UsageError(
        'only the brokers know how many partitions there are',
        'Give --brokers or set KAFKA_BROKERS.',
      )
    }
    return await repin(topic, flags, inspector, console)
  } finally {
    await inspector?.close()
  }
}

async function list(flags: TopicsFlags, inspector: Inspector | null, { output }: Console): Promise<ExitCode> {
  const { schema } = flags
  const [found = []] = await eachDatabase({ ...flags, consumerUrl: [] }, 'topics', ({ client }) =>
    readPinnedTopics(fromPg(client), { schema, inspector }),
  )
  output.write({ topics: found }, () => describeTopics(found, inspector !== null))
  return exitCode.fine
}

async function repin(topic: string, flags: TopicsFlags, inspector: Inspector, console: Console): Promise<ExitCode> {
  const { output, logger } = console
  const { schema, reason } = flags
  const by = flags.dryRun === true ? '' : deciderOf(flags)
  const plan = await planEverywhere(topic, flags, inspector)
  const { pinned, partitions } = plan
  const tell = (changed: boolean, groups: readonly GroupBehind[], lines: readonly string[]) =>
    output.write({ action: 'repin', dryRun: flags.dryRun === true, changed, ...plan, groups }, () => shown(lines))
  if (pinned === partitions) {
    tell(false, plan.groups, [`Topic ${topic}: ${partitionsOf(pinned)}, as before.`])
    return exitCode.fine
  }
  const obstacle = repinObstacle(plan)
  if (flags.dryRun === true) {
    const inTheWay = obstacle === null ? [] : [`In the way: ${obstacle.message}`]
    tell(false, plan.groups, [...describePlan(plan), ...inTheWay])
    return obstacle === null ? exitCode.fine : exitCode.problem
  }
  if (obstacle !== null) throw obstacle
  if (flags.yes !== true && !(await confirmed(plan))) {
    logger.warn({}, 'Nothing was done')
    return exitCode.problem
  }
  const database = await openDatabase(flags, 'topics')
  try {
    const options = { schema, topic, partitions, by, ...(reason === undefined ? {} : { why: reason }) }
    await database.session((client) => inTransaction(client, () => repinTopic(fromPg(client), options)))
  } finally {
    await database.end()
  }
  // From here on nothing more is published under the old number: what groups have not read now is all that is left.
  const { groups } = await planEverywhere(topic, flags, inspector)
  const late = groups.filter(({ unread }) => unread > 0)
  const done = `Topic ${topic}: ${partitionsOf(partitions)} from now on; before: ${pinned}.`
  tell(true, groups, [done, ...nextSteps(plan, late)])
  return late.length === 0 ? exitCode.fine : exitCode.problem
}

/** The plan, with the groups of every database that is named. */
async function planEverywhere(topic: string, flags: TopicsFlags, inspector: Inspector): Promise<RepinPlan> {
  const { schema } = flags
  const found = await eachDatabase(flags, 'topics', async ({ main, client }) => {
    const tx = fromPg(client)
    if (main) return planRepin(tx, { schema, topic, inspector })
    return { groups: await readGroupsBehind(tx, { schema, topic, offsets: await inspector.offsets(topic) }) }
  })
  return { ...(found[0] as RepinPlan), groups: found.flatMap(({ groups }) => groups) }
}

function describeTopics(found: readonly PinnedTopic[], asked: boolean): string {
  if (found.length === 0) return 'No relay has published to a topic yet.'
  const rows = found.map(({ topic, pinned, partitions, paused }) => [
    printable(topic),
    String(pinned),
    partitions === null ? '' : String(partitions),
    paused ? 'paused' : partitions !== null && partitions > pinned ? 'has grown' : '',
  ])
  const table = textTable(['topic', 'pinned', 'partitions', ''], rows, ['pinned', 'partitions'])
  return asked ? table : `${table}\n\nGive --brokers to see how many partitions there are.`
}

function describePlan({ topic, pinned, partitions, waiting, waitingExact, heldBack, groups }: RepinPlan): string[] {
  return [
    `Topic ${topic}: keys are spread over ${partitionsOf(pinned)}, and would be over ${partitions}.`,
    `${messages(waiting, waitingExact)} of it not published yet: they go out under the new number.`,
    ...(heldBack === 0 ? [] : [`${messages(heldBack, true)} of it parked for another reason than the pause.`]),
    ...groups.map(({ group, unread }) => `Group ${group}: ${unread} to read.`),
    unknownReaders,
  ]
}

const unknownReaders =
  'Groups in other databases and consumers without oncebox are not known here: be sure that they have read the topic to its end, before it is resumed.'

function nextSteps({ topic, groups }: RepinPlan, late: readonly GroupBehind[]): string[] {
  const resume = `"oncebox resume --topic ${topic}"`
  if (late.length > 0) {
    const who = late.map(({ group, unread }) => `${group} ${unread}`).join(', ')
    return [
      `Not read yet of what was published before: ${who}.`,
      `Wait until "oncebox lag" shows none, and only then ${resume}: messages of a key can overtake each other otherwise.`,
    ]
  }
  const read = groups.length === 0 ? [] : [`Read to its end by ${groups.map(({ group }) => group).join(', ')}.`]
  return [...read, unknownReaders, `Then: ${resume}.`]
}

function shown(lines: readonly string[]): string {
  return lines.map(printable).join('\n')
}

function messages(count: number, exact: boolean): string {
  return `${exact ? '' : 'at least '}${count} message${count === 1 ? '' : 's'}`
}

function partitionsOf(count: number): string {
  return `${count} partition${count === 1 ? '' : 's'}`
}

/** Shows what would be done and asks on the terminal. */
async function confirmed(plan: RepinPlan): Promise<boolean> {
  if (process.stdin.isTTY !== true || process.stderr.isTTY !== true) {
    throw new UsageError('nobody is there to confirm', 'Look at it with --dry-run, then give --yes.')
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    process.stderr.write(`${shown(describePlan(plan))}\n`)
    const answer = await terminal.question(`\nSpread keys over ${partitionsOf(plan.partitions)}? Type yes: `)
    return answer.trim().toLowerCase() === 'yes'
  } finally {
    terminal.close()
  }
}
