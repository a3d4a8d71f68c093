import type { History } from './history.js'
import type { Case } from './judgeHistory.js'
import type { Violation } from './violation.js'
import { about } from './witness.js'

/** What was published, delivered, refused or applied, and no committed transaction wrote. Once an id. */
export function phantoms({ history, committed }: Case): Violation[] {
  const strangers = new Map<string, string | undefined>()
  const meet = (id: string, group?: string): void => {
    if (!committed.has(id) && !strangers.has(id)) strangers.set(id, group)
  }
  for (const { id } of history.records ?? []) meet(id)
  for (const { name, deliveries = [], effects = [], refused = [] } of history.groups ?? []) {
    for (const id of deliveries) meet(id, name)
    for (const { id } of effects) meet(id, name)
    for (const id of refused) meet(id, name)
  }
  return [...strangers].map(([id, group]) => ({
    rule: 'phantom',
    message: `no committed transaction wrote ${id}${why(history, id)}`,
    witness: about(history, [id], group),
  }))
}

function why({ rolledBack }: History, id: string): string {
  return rolledBack?.includes(id) ? ', the one that did was rolled back' : ''
}
