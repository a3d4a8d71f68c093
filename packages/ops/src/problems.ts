import { migrateCommand, tables } from '@oncebox/schema'
import type { ConsumerStatus } from './consumers.js'
import type { LaneStatus } from './lanes.js'
import type { Leaf } from './leaves.js'
import type { ParkedGroup } from './parked.js'

/** `docs/operations.md` lists them; a test holds the two together. */
export const problemCodes = [
  'NOT_MIGRATED',
  'DATABASE_CHANGED',
  'NO_RELAY',
  'LANE_BEHIND',
  'SCHEDULED_OVERDUE',
  'KEYS_PARKED',
  'DEAD_LETTERS',
  'LEAF_NOT_RECLAIMED',
] as const

export type ProblemCode = (typeof problemCodes)[number]

/** Something that will not mend itself. Both texts are sentences for an operator; decisions rest on `code`. */
export interface Problem {
  readonly code: ProblemCode
  /** What is wrong, with what. */
  readonly what: string
  /** The next step. */
  readonly next: string
}

/** What `problemsOf` judges. */
export interface Findings {
  readonly schema: string
  readonly lanes: readonly LaneStatus[]
  readonly parked: readonly ParkedGroup[]
  readonly leaves: readonly Leaf[]
  readonly consumers: readonly ConsumerStatus[]
  /** Seconds since the earliest scheduled message became due; null when none is due. */
  readonly overdueSeconds: number | null
  /** True when the cursors were written in another cluster or database. */
  readonly databaseChanged: boolean
  /** How long published messages are kept, in milliseconds. */
  readonly retentionMs: number
  /** How long one slot of the ring is active, in milliseconds. */
  readonly slotWidthMs: number
}

/** A lane, or a scheduled message, is behind when its oldest message waited longer than this. */
const behindSeconds = 60

export function notMigrated(schema: string, version: number | null, needed: number): Problem {
  const name = JSON.stringify(schema)
  return {
    code: 'NOT_MIGRATED',
    what:
      version === null
        ? `There is no migrated schema ${name} in this database.`
        : `Schema ${name} is at version ${version}, and this command needs version ${needed}.`,
    next: `Run "${migrateCommand(schema)}".`,
  }
}

/** Judges the findings; pure. The gravest come first. */
export function problemsOf(findings: Findings): Problem[] {
  return [
    ...databaseProblems(findings),
    ...laneProblems(findings),
    ...parkedProblems(findings),
    ...deadLetterProblems(findings),
    ...leafProblems(findings),
  ]
}

function databaseProblems({ databaseChanged }: Findings): Problem[] {
  if (!databaseChanged) return []
  return [
    {
      code: 'DATABASE_CHANGED',
      what: 'The schema was restored or copied from another database: what is waiting cannot be told from here.',
      next: 'Start the relay: it publishes everything retained again, and inbox consumers skip what they know.',
    },
  ]
}

function laneProblems({ schema, lanes, overdueSeconds }: Findings): Problem[] {
  const relay = `Start "oncebox relay"${schema === 'oncebox' ? '' : ' with the same --schema'}, or look why it stopped.`
  const problems: Problem[] = []
  for (const { lane, holder, waiting, waitingExact, oldestSeconds } of lanes) {
    if (waiting === 0) continue
    const messages = `${waitingExact ? '' : 'about '}${waiting} message${waiting === 1 ? '' : 's'}`
    const since = oldestSeconds === null ? '' : `, the oldest since ${duration(oldestSeconds)}`
    if (holder === null) {
      problems.push({
        code: 'NO_RELAY',
        what: `No relay publishes lane ${lane}: ${messages} waiting${since}.`,
        next: relay,
      })
    } else if (oldestSeconds !== null && oldestSeconds > behindSeconds) {
      problems.push({
        code: 'LANE_BEHIND',
        what: `Lane ${lane} is behind: ${messages} waiting${since}.`,
        next: `Read the log of relay ${JSON.stringify(holder)}: is the broker reachable, does every topic exist?`,
      })
    }
  }
  if (overdueSeconds !== null && overdueSeconds > behindSeconds) {
    const what = `Scheduled messages are overdue, the first since ${duration(overdueSeconds)}.`
    problems.push({ code: 'SCHEDULED_OVERDUE', what, next: relay })
  }
  return problems
}

function parkedProblems({ schema, parked }: Findings): Problem[] {
  return parked.map(({ topic, reason, keys, messages, firstKeys, firstId }) => {
    const named = firstKeys.map((key) => (key === null ? 'no key' : JSON.stringify(key))).join(', ')
    const more = keys > firstKeys.length ? ', …' : ''
    return {
      code: 'KEYS_PARKED',
      what: `Topic ${JSON.stringify(topic)}: ${counted(keys, 'key')} with ${counted(messages, 'message')} held back, reason ${reason}: ${named}${more}.`,
      next: `${parkedRemedy(topic, reason)} The relay tries again by itself, in order; the first message is ${firstId}, the others are in ${tables(schema).parked}.`,
    }
  })
}

/** By the relay's code for the refusal. */
function parkedRemedy(topic: string, reason: string): string {
  const name = JSON.stringify(topic)
  switch (reason) {
    case 'TOPIC_MISSING':
      return `Create the topic ${name}, or start the relay with --create-topics N.`
    case 'TOPIC_WITHOUT_GROUP':
      return `Declare a consumer group for the topic ${name} in the transport's settings.`
    case 'NOT_AUTHORIZED':
      return `Allow the relay's user to write to the topic ${name}.`
    case 'RECORD_TOO_LARGE':
      return `Raise the largest message the topic ${name} takes (max.message.bytes).`
    default:
      return "Read in the relay's log why it was refused, and remove the cause."
  }
}

function deadLetterProblems({ schema, consumers }: Findings): Problem[] {
  return consumers
    .filter((consumer) => consumer.deadLetters > 0)
    .map(({ group, deadLetters, partitions }) => {
      const topics = [...new Set(partitions.filter((one) => one.deadLetters > 0).map((one) => one.topic))].sort()
      return {
        code: 'DEAD_LETTERS',
        what: `Group ${JSON.stringify(group)} gave up on ${counted(deadLetters, 'message')} of ${topics.map((topic) => JSON.stringify(topic)).join(', ')}.`,
        next: `Read why with "oncebox dead list${schema === 'oncebox' ? '' : ' --schema …'}" and "oncebox dead show NUMBER"; then retry or discard them.`,
      }
    })
}

/** Once a slot is left, its newest message ages; a slot width past the retention the relay has had its chances. */
function leafProblems({ schema, leaves, retentionMs, slotWidthMs }: Findings): Problem[] {
  const late = (retentionMs + slotWidthMs) / 1000
  const names = leaves
    .filter((leaf) => !leaf.active && leaf.newestSeconds !== null && leaf.newestSeconds > late)
    .map((leaf) => tables(schema).of(leaf.name))
  if (names.length === 0) return []
  return [
    {
      code: 'LEAF_NOT_RECLAIMED',
      what: `The storage of ${names.join(', ')} is past its retention and was not reclaimed.`,
      next: 'Is a relay running? If so, end what holds a lock on it: select pid, xact_start, application_name from pg_stat_activity where xact_start is not null order by xact_start; and look in pg_prepared_xacts.',
    },
  ]
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

function duration(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`
  return `${Math.round(seconds / 3600)} h`
}
