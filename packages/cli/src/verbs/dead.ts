import { createInterface } from 'node:readline/promises'
import { fromPg } from '@oncebox/core/pg'
import {
  type DeadLetterFilter,
  type DeadLetterSummary,
  discardDeadLetters,
  listDeadLetters,
  retryDeadLetters,
  showDeadLetter,
} from '@oncebox/ops'
import { requireSchema } from '@oncebox/schema'
import type { PoolClient } from 'pg'
import { openDatabase } from '../command/database.js'
import { deciderOf } from '../command/decider.js'
import { type ExitCode, exitCode } from '../command/exitCode.js'
import { UsageError } from '../command/failure.js'
import { inTransaction } from '../command/inTransaction.js'
import type { Console } from '../command/runVerb.js'
import type { CommonFlags } from '../flags/commonFlags.js'
import type { DatabaseFlags } from '../flags/databaseFlags.js'
import type { DeadLetterFlags } from '../flags/deadLetterFlags.js'
import { describeDeadLetter, describeDeadLetters } from './describeDead.js'

export interface DeadFlags extends CommonFlags, DatabaseFlags, DeadLetterFlags {
  readonly reason?: string
  readonly by?: string
  readonly dryRun?: boolean
  readonly yes?: boolean
  readonly limit: number
}

export const deadActions = ['list', 'show', 'retry', 'discard'] as const
export type DeadAction = (typeof deadActions)[number]

const pageSize = 1_000

/** `oncebox dead`: what consumers gave up on, and what is to become of it. */
export async function dead(
  action: DeadAction,
  numbers: readonly string[],
  flags: DeadFlags,
  console: Console,
): Promise<ExitCode> {
  checkUsage(action, numbers, flags)
  const database = await openDatabase(flags, 'dead')
  try {
    return await database.session(async (client) => {
      await requireSchema(fromPg(client), { schema: flags.schema })
      switch (action) {
        case 'list':
          return list(client, filterOf(numbers, flags), flags, console)
        case 'show':
          return show(client, numbers[0] as string, flags, console)
        default:
          return act(client, action, numbers, flags, console)
      }
    })
  } finally {
    await database.end()
  }
}

function checkUsage(action: DeadAction, numbers: readonly string[], flags: DeadFlags): void {
  const wrong = numbers.find((number) => !/^\d{1,18}$/.test(number))
  if (wrong !== undefined)
    throw new UsageError('a dead letter is named by its number', 'See them with "oncebox dead list".')
  if (action === 'list') return
  if (action === 'show') {
    if (numbers.length !== 1) throw new UsageError('dead show takes one number', 'See them with "oncebox dead list".')
    return
  }
  if (numbers.length === 0 && !isFiltered(flags) && flags.all !== true) {
    throw new UsageError(
      `it is not said which dead letters to ${action}`,
      'Give numbers, a filter such as --group, or --all.',
    )
  }
  if (action === 'discard' && flags.dryRun !== true && (flags.reason ?? '').trim() === '') {
    throw new UsageError('a discard needs a reason', 'Give --reason "why"; it is kept with your name.')
  }
}

function isFiltered({ group, topic, type, code, older, newer }: DeadFlags): boolean {
  return [group, topic, type, code, older, newer].some((value) => value !== undefined)
}

function filterOf(numbers: readonly string[], flags: DeadFlags): DeadLetterFilter {
  const { group, topic, type, code, older, newer } = flags
  return {
    ...(numbers.length === 0 ? {} : { numbers }),
    ...(group === undefined ? {} : { group }),
    ...(topic === undefined ? {} : { topic }),
    ...(type === undefined ? {} : { type }),
    ...(code === undefined ? {} : { reason: code }),
    ...(older === undefined ? {} : { olderThanMs: older }),
    ...(newer === undefined ? {} : { youngerThanMs: newer }),
  }
}

/** They are in the database of the consumer, and an operator's `DATABASE_URL` is often the producer's. */
const noneHere = 'No dead letters in this database. Where the group keeps its inbox in another one: --database-url.'

async function list(
  client: PoolClient,
  filter: DeadLetterFilter,
  flags: DeadFlags,
  { output }: Console,
): Promise<ExitCode> {
  const found = await listDeadLetters(fromPg(client), { schema: flags.schema, filter, limit: flags.limit })
  if (output.json) for (const letter of found) output.write(letter, () => null)
  else output.raw(`${found.length === 0 ? noneHere : describeDeadLetters(found, flags.limit)}\n`)
  return exitCode.fine
}

async function show(client: PoolClient, number: string, flags: DeadFlags, console: Console): Promise<ExitCode> {
  const letter = await showDeadLetter(fromPg(client), number, { schema: flags.schema })
  if (letter === null) {
    console.logger.error(
      { next: '"oncebox dead list" has those there are; "oncebox show ID" tells what became of a message.' },
      `There is no dead letter ${number} in this database: it was handled or discarded, or never was`,
    )
    return exitCode.problem
  }
  console.output.write(letter, () => describeDeadLetter(letter))
  return exitCode.fine
}

/** Retries or discards: named ones at once, those of a filter after they were shown and confirmed. */
async function act(
  client: PoolClient,
  action: 'retry' | 'discard',
  numbers: readonly string[],
  flags: DeadFlags,
  { output, logger }: Console,
): Promise<ExitCode> {
  const by = deciderOf(flags)
  const found = await findAll(client, filterOf(numbers, flags), flags.schema)
  const tell = (dryRun: boolean, done: readonly string[]) =>
    output.write({ action, dryRun, found: found.length, numbers: done }, () =>
      dryRun
        ? `${describeDeadLetters(found.slice(0, flags.limit), flags.limit)}\n\nWould ${action} ${found.length}.`
        : `${action === 'retry' ? 'Asked for a retry of' : 'Discarded'} ${done.length} of ${found.length}.`,
    )
  if (flags.dryRun === true) {
    tell(
      true,
      found.map(({ number }) => number),
    )
    return exitCode.fine
  }
  if (found.length === 0) {
    tell(false, [])
    if (numbers.length > 0) {
      const next = '"oncebox dead list" has those there are; "oncebox show ID" tells what became of a message.'
      logger.error({ next }, 'No such dead letter: handled or discarded already?')
    }
    return numbers.length > 0 ? exitCode.problem : exitCode.fine
  }
  if (numbers.length === 0 && flags.yes !== true && !(await confirmed(action, found))) {
    logger.warn({}, 'Nothing was done')
    return exitCode.problem
  }
  const done: string[] = []
  for (let from = 0; from < found.length; from += pageSize) {
    const page = found.slice(from, from + pageSize).map(({ number }) => number)
    done.push(...(await inTransaction(client, () => decide(client, action, page, by, flags))))
  }
  tell(false, done)
  return exitCode.fine
}

/** All of them first, so that one which fails again while we work is not taken twice. */
async function findAll(client: PoolClient, filter: DeadLetterFilter, schema: string): Promise<DeadLetterSummary[]> {
  const found: DeadLetterSummary[] = []
  for (;;) {
    const after = found.at(-1)?.number ?? '0'
    const page = await listDeadLetters(fromPg(client), { schema, filter, limit: pageSize, after })
    found.push(...page)
    if (page.length < pageSize) return found
  }
}

function decide(
  client: PoolClient,
  action: 'retry' | 'discard',
  numbers: readonly string[],
  by: string,
  { schema, reason }: DeadFlags,
): Promise<string[]> {
  const options = { schema, filter: { numbers }, by, ...(reason === undefined ? {} : { why: reason }) }
  if (action === 'retry') return retryDeadLetters(fromPg(client), options)
  return discardDeadLetters(fromPg(client), { ...options, why: reason ?? '' })
}

/** Shows what is found and asks on the terminal. */
async function confirmed(action: string, found: readonly DeadLetterSummary[]): Promise<boolean> {
  if (process.stdin.isTTY !== true || process.stderr.isTTY !== true) {
    throw new UsageError(
      `${found.length} dead letters are found, and nobody is there to confirm`,
      'Look at them with --dry-run, then give --yes.',
    )
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    process.stderr.write(`${describeDeadLetters(found.slice(0, 20), 20)}\n`)
    const answer = await terminal.question(`\n${action} ${found.length} dead letters? Type yes: `)
    return answer.trim().toLowerCase() === 'yes'
  } finally {
    terminal.close()
  }
}
