import { systemClock, type WireRecord } from '@oncebox/core'
import type { Schedule } from './laboratory.js'
import type { SeenStatement, StatementFate } from './statementProxy.js'

/** A schedule with what it does, in words, and the statement that it does it at. */
export interface NamedSchedule extends Schedule {
  /** The beginning of a sentence: "the session was killed right after statement 4, …". */
  readonly story: string
  readonly statement: SeenStatement | null
  readonly kind: 'kill' | 'fail' | 'again' | 'second'
}

/** One schedule before, one after, and one instead of each statement of a clean delivery. */
export function faultsAt(statements: readonly SeenStatement[], record: WireRecord): NamedSchedule[] {
  return statements.flatMap((statement) => {
    const { index, text } = statement
    const place = `statement ${index + 1} of ${statements.length}`
    const at = (kind: NamedSchedule['kind'], story: string, fate: StatementFate): NamedSchedule => ({
      kind,
      story: `${story}, and the message came again`,
      statement,
      decide: (seen) => (seen.index === index ? fate : {}),
      deliver: ([receiver]) => receiver.deliver(record),
    })
    const begins = /^(begin|start transaction)/i.test(text)
    const commits = /^commit/i.test(text)
    return [
      at('kill', `the session was killed right before ${place}`, { before: 'kill' }),
      ...(begins ? [] : [at('fail', `${place} failed as the victim of a deadlock does`, { before: 'fail' })]),
      at('kill', commits ? 'COMMIT was done and its answer lost' : `the session was killed right after ${place}`, {
        after: 'kill',
      }),
    ]
  })
}

/** The message comes again when all is done. */
export function redelivery(record: WireRecord): NamedSchedule {
  return {
    kind: 'again',
    story: 'the message came again after it had been handled',
    statement: null,
    async deliver([receiver]) {
      await receiver.deliver(record)
      await receiver.deliver(record)
    },
  }
}

/** A second message with the same data comes after the first. */
export function secondMessage(first: WireRecord, second: WireRecord): NamedSchedule {
  return {
    kind: 'second',
    story: 'a second message with the same data and another id came after the first',
    statement: null,
    async deliver([receiver]) {
      await receiver.deliver(first)
      await receiver.deliver(second)
    },
  }
}

/**
 * Two deliveries at once: whichever comes to its COMMIT first waits there until the other one waits for it, has come to
 * its own, or has ended.
 */
export function atOnce(
  kind: 'again' | 'second',
  records: readonly [WireRecord, WireRecord],
  blocked: () => Promise<boolean>,
): NamedSchedule {
  const arrived = new Set<number>()
  let running = 0
  const met = async (): Promise<void> => {
    while (arrived.size < 2 && running > 1 && !(await blocked())) await systemClock.sleep(1)
  }
  const what = kind === 'again' ? 'two deliveries of the message' : 'two messages with the same data and different ids'
  return {
    kind,
    story: `${what} ran at once`,
    statement: null,
    decide({ session, text }) {
      if (!/^commit/i.test(text)) return {}
      arrived.add(session)
      return { before: met() }
    },
    async deliver(receivers) {
      running = 2
      await Promise.all(
        receivers.map((receiver, index) => receiver.deliver(records[index] as WireRecord).finally(() => running--)),
      )
    },
  }
}
