import { isRefusal } from './deadLetterDesk.js'
import type { ModelDatabase } from './modelDatabase.js'
import { idOf } from './outboxRow.js'
import type { Schedule } from './schedule.js'

/** Ids of what relays have moved aside and not sent, of what can never be sent. `ends`: when nobody waits any longer. */
export function asideAtTheRelay(
  database: ModelDatabase,
  { refused, missing }: Schedule,
  published: readonly { readonly id: string }[],
  ends: number,
): Set<string> {
  if (![...refused, ...missing].some(({ until }) => until > ends)) return new Set()
  const sent = new Set(published.map(({ id }) => id))
  const parked = database.parked.entries(database.begin())
  return new Set(parked.map(([, { row }]) => idOf(row.number)).filter((id) => !sent.has(id)))
}

/** Ids of dead letters where nobody waits behind them and nobody asks for them again, and of those that came too late. */
export function refusedByTheGroup(database: ModelDatabase, { poison, days }: Schedule): string[] {
  if (poison.policy !== 'skip' && days === null) return []
  const letters = database.inbox.letters.entries(database.begin()).map(([, letter]) => letter)
  const settled = letters.filter(({ reason }) => poison.policy === 'skip' || isRefusal(reason))
  return settled.map(({ message }) => message.id)
}
