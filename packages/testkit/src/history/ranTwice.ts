import type { Case } from './judgeHistory.js'
import type { Violation } from './violation.js'
import { about } from './witness.js'

/** Messages whose effect a group has more than once, whatever made it forget them. */
export function ranTwice({ history }: Case): Violation[] {
  return (history.groups ?? []).flatMap(({ name, effects = [] }) => {
    const times = new Map<string, number>()
    for (const { id } of effects) times.set(id, (times.get(id) ?? 0) + 1)
    return [...times]
      .filter(([, count]) => count > 1)
      .map(([id, count]) => ({
        rule: 'ranTwice' as const,
        message: `${name} applied ${id} ${count} times`,
        witness: about(history, [id], name),
      }))
  })
}
