import type { ModelDatabase } from './modelDatabase.js'
import { numberOf } from './outboxRow.js'
import type { Timeline } from './timeline.js'

/** How often somebody looks for dead letters. */
const everyMs = 200

/** Whether the inbox could not tell any more if the message had run: nobody asks for it again without having looked. */
export function isRefusal(reason: string): boolean {
  return reason === 'MESSAGE_PAST_HORIZON' || reason === 'MESSAGE_FROM_FUTURE'
}

/** Somebody who asks for a retry of every dead letter that did not come too late, again and again: what can be handled in the end has to be. */
export function retryDeadLetters(parts: {
  readonly database: ModelDatabase
  readonly timeline: Timeline
  readonly reachable: () => boolean
  readonly tell: (what: string) => void
}): void {
  const { database, timeline, reachable, tell } = parts
  const { letters } = database.inbox
  const look = async (): Promise<void> => {
    timeline.after(everyMs, () => void look())
    const transaction = database.begin()
    const asked = letters
      .entries(transaction)
      .filter(([, { reason, retryAt }]) => retryAt === null && !isRefusal(reason))
    if (!reachable() || asked.length === 0) return database.rollback(transaction)
    for (const [number] of asked) {
      await database.locks.take(`letter ${number}`, transaction)
      const letter = letters.get(number, transaction)
      if (letter === undefined || letter.retryAt !== null) continue
      const put = letters.put(number, { ...letter, retryAt: timeline.now, tries: 0 }, transaction)
      database.write(transaction, put)
      tell(`a retry of m${numberOf(letter.message.id)} is asked for`)
    }
    database.commit(transaction)
  }
  timeline.after(everyMs, () => void look())
}
