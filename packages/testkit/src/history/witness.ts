import type { GroupHistory, History } from './history.js'

/**
 * What a history says about these messages and nothing else; of the groups only `group`, or none. Totals, counts and
 * writes are about other things than single messages, and are left out. Pure.
 */
export function about(history: History, ids: readonly string[], group?: string): History {
  const wanted = new Set(ids)
  const { emits, rolledBack, records, groups, settled, faults, mostDuplicates } = history
  return {
    emits: emits.filter(({ id }) => wanted.has(id)),
    ...(rolledBack === undefined ? {} : { rolledBack: rolledBack.filter((id) => wanted.has(id)) }),
    ...(records === undefined ? {} : { records: records.filter(({ id }) => wanted.has(id)) }),
    ...(group === undefined
      ? {}
      : { groups: (groups ?? []).filter(({ name }) => name === group).map((each) => groupAbout(each, wanted)) }),
    settled,
    faults,
    ...(mostDuplicates === undefined ? {} : { mostDuplicates }),
  }
}

function groupAbout(group: GroupHistory, wanted: ReadonlySet<string>): GroupHistory {
  const { name, topics, deliveries, effects, refused } = group
  return {
    name,
    ...(topics === undefined ? {} : { topics }),
    ...(deliveries === undefined ? {} : { deliveries: deliveries.filter((id) => wanted.has(id)) }),
    ...(effects === undefined ? {} : { effects: effects.filter(({ id }) => wanted.has(id)) }),
    ...(refused === undefined ? {} : { refused: refused.filter((id) => wanted.has(id)) }),
  }
}
