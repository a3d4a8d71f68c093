import type { GroupHistory } from './history.js'
import type { Case } from './judgeHistory.js'
import type { Violation } from './violation.js'
import { about } from './witness.js'

/** Committed messages that did not arrive although everything came to rest. Told where their trail ends. */
export function lost({ history }: Case): Violation[] {
  if (!history.settled) return []
  const { emits, records, groups = [] } = history
  const published = records === undefined ? undefined : new Set(records.map(({ id }) => id))
  const missing = (id: string, message: string, group?: string): Violation => ({
    rule: 'lost',
    message,
    witness: about(history, [id], group),
  })
  const gone = emits.filter(({ id }) => published?.has(id) === false)
  const behind = new Set(gone.map(({ id }) => id))
  return [
    ...gone.map(({ id, topic }) => missing(id, `${id} was committed and is not in ${topic}`)),
    ...groups.flatMap((group) => {
      const arrived = arrivals(group)
      if (arrived === undefined) return []
      return emits
        .filter(({ id, topic }) => (group.topics?.includes(topic) ?? true) && !arrived.ids.has(id) && !behind.has(id))
        .map(({ id }) => missing(id, `${id} was committed and never ${arrived.how} ${group.name}`, group.name))
    }),
  ]
}

function arrivals({ effects, deliveries, refused = [] }: GroupHistory) {
  if (effects !== undefined) return { how: 'applied by', ids: new Set([...effects.map(({ id }) => id), ...refused]) }
  if (deliveries !== undefined) return { how: 'delivered to', ids: new Set([...deliveries, ...refused]) }
  return undefined
}
