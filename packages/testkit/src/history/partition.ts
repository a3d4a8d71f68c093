import type { PublishedRecord } from './history.js'
import type { Case } from './judgeHistory.js'
import type { Violation } from './violation.js'
import { about } from './witness.js'

/** Keys whose records are on more than one partition, where nothing keeps them in order. Once a key. */
export function movedPartition({ history }: Case): Violation[] {
  const first = new Map<string, PublishedRecord>()
  const found = new Map<string, Violation>()
  for (const record of history.records ?? []) {
    if (record.key === null) continue
    const place = `${record.topic}\0${record.key}`
    const home = first.get(place)
    if (home === undefined) first.set(place, record)
    else if (home.partition !== record.partition && !found.has(place)) {
      const { topic, key } = record
      found.set(place, {
        rule: 'movedPartition',
        message: `key ${key} of ${topic} is on partition ${home.partition} and on ${record.partition}`,
        witness: { ...about(history, [home.id, record.id]), records: [home, record] },
      })
    }
  }
  return [...found.values()]
}
