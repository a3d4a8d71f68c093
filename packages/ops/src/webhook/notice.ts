import type { ConsumerEvent } from '@oncebox/inbox'
import type { RelayEvent } from '@oncebox/relay'

/** What somebody is woken for. */
export type NoticeProblem =
  /** A consumer gave a message up. */
  | 'dead_letter'
  /** A message that nobody may skip stops its partition. */
  | 'blocked'
  /** The relay moved messages aside that cannot be sent. */
  | 'parked'
  | 'topic_missing'
  /** A relay brings nothing through, for longer than `stuckAfterMs`. */
  | 'relay_stuck'
  /** The database is a copy, and everything retained is published again. */
  | 'database_changed'

/** What happened, once or several times. Holds no key, no payload, no header and no text of an error. */
export interface Occurrence {
  readonly problem: NoticeProblem
  readonly count: number
  /** A stable code of `docs/errors.md`, or a SQLSTATE. */
  readonly code: string | null
  readonly group: string | null
  readonly lane: number | null
  readonly topic: string | null
  /** One of the messages. */
  readonly example: {
    readonly messageId: string
    readonly messageType: string
    readonly partition: number
    readonly offset: string | null
  } | null
  /** The command to run next. */
  readonly next: string
}

const nowhere = { code: null, group: null, lane: null, topic: null, example: null } as const

/** What a consumer of `group` tells somebody with this event; null for all that goes its way. Pure. */
export function noticeOfConsumer(group: string, event: ConsumerEvent): Occurrence | null {
  if (event.type !== 'deadLettered' && event.type !== 'blocked') return null
  const { topic, partition, offset, messageId, messageType, reason: code } = event
  const example = { messageId, messageType, partition, offset }
  const where = `--group ${quoted(group)} --topic ${quoted(topic)}`
  const common = { count: 1, code, group, lane: null, topic, example }
  return event.type === 'deadLettered'
    ? { problem: 'dead_letter', ...common, next: `oncebox dead list ${where} --code ${code}` }
    : { problem: 'blocked', ...common, next: `oncebox show ${quoted(messageId)}` }
}

/** The same for a relay. That one is stuck no single event tells. Pure. */
export function noticeOfRelay(event: RelayEvent): Occurrence | null {
  switch (event.event) {
    case 'parked': {
      const { count, code, lane, topic } = event
      // Somebody wanted it so.
      if (code === 'PAUSED') return null
      return { ...nowhere, problem: 'parked', count, code, lane, topic, next: 'oncebox doctor' }
    }
    case 'topic_missing': {
      const { lane, topic } = event
      return {
        ...nowhere,
        problem: 'topic_missing',
        count: 1,
        code: 'TOPIC_MISSING',
        lane,
        topic,
        next: 'oncebox doctor',
      }
    }
    case 'identity_changed':
      return { ...nowhere, problem: 'database_changed', count: 1, next: 'oncebox doctor' }
    default:
      return null
  }
}

export function relayStuck(lane: number, code: string): Occurrence {
  return { ...nowhere, problem: 'relay_stuck', count: 1, code, lane, next: 'oncebox doctor' }
}

/** As a POSIX shell takes it: as it is where that is safe, otherwise in single quotes. */
function quoted(text: string): string {
  return /^[\w.:-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
