import type { Case } from './judgeHistory.js'
import type { Violation } from './violation.js'
import { about } from './witness.js'

/** Records and effects that name another topic, key or amount than the message was committed with. Once an id and place. */
export function altered({ history, committed }: Case): Violation[] {
  const found = new Map<string, Violation>()
  for (const { id, topic, key } of history.records ?? []) {
    const emit = committed.get(id)
    if (emit === undefined || (emit.topic === topic && emit.key === key)) continue
    found.set(id, violation(`${id} was published with another topic or key than it was written with`, id))
  }
  for (const { name, effects = [] } of history.groups ?? []) {
    for (const { id, key, amount = 0 } of effects) {
      const emit = committed.get(id)
      if (emit === undefined || (emit.key === key && (emit.amount ?? 0) === amount)) continue
      found.set(
        `${name} ${id}`,
        violation(`${name} applied ${id} with another key or amount than it was written with`, id, name),
      )
    }
  }
  return [...found.values()]

  function violation(message: string, id: string, group?: string): Violation {
    return { rule: 'altered', message, witness: about(history, [id], group) }
  }
}
