import type { CommittedEmit, History } from './history.js'
import type { Case } from './judgeHistory.js'
import type { Violation } from './violation.js'
import { about } from './witness.js'

/**
 * First appearances of a key's messages that do not follow the turns of its writers: at the transport, among deliveries,
 * among effects. Once a key and place: later ones of a key follow from the first.
 */
export function outOfOrder({ history, committed }: Case): Violation[] {
  const { records = [], groups = [] } = history
  const firsts = (ids: readonly string[], verb: string, group?: string): Violation[] =>
    swapped(ids, committed).map(({ early, late }) => ({
      rule: 'outOfOrder',
      message: `key ${early.key} of ${early.topic}: turn ${early.turn} (${early.id}) was first ${verb} after turn ${late.turn} (${late.id})`,
      witness: firstOnly(about(history, [late.id, early.id], group)),
    }))
  return [
    ...firsts(
      [...records].sort(byOffset).map(({ id }) => id),
      'published',
    ),
    ...groups.flatMap(({ name, deliveries = [], effects = [] }) => [
      ...firsts(deliveries, `delivered to ${name}`, name),
      ...firsts(
        effects.map(({ id }) => id),
        `applied by ${name}`,
        name,
      ),
    ]),
  ]
}

/** Offsets of different partitions have no order: a key on two partitions is another rule's business. */
function byOffset(a: { partition: number; offset: number }, b: { partition: number; offset: number }): number {
  return a.partition - b.partition || a.offset - b.offset
}

/** For each topic and key the first message that appeared after a later one. */
function swapped(ids: readonly string[], committed: ReadonlyMap<string, CommittedEmit>) {
  const seen = new Set<string>()
  const latest = new Map<string, CommittedEmit>()
  const found = new Map<string, { readonly early: CommittedEmit; readonly late: CommittedEmit }>()
  for (const id of ids) {
    const emit = committed.get(id)
    if (emit === undefined || emit.key === null || seen.has(id)) continue
    seen.add(id)
    const place = `${emit.topic}\0${emit.key}`
    const before = latest.get(place)
    if (before === undefined || before.turn <= emit.turn) latest.set(place, emit)
    else if (!found.has(place)) found.set(place, { early: emit, late: before })
  }
  return [...found.values()]
}

/** Copies add nothing to what came first. */
function firstOnly(history: History): History {
  const { records, groups } = history
  return {
    ...history,
    ...(records === undefined ? {} : { records: once([...records].sort(byOffset), ({ id }) => id) }),
    ...(groups === undefined
      ? {}
      : {
          groups: groups.map(({ deliveries, effects, ...group }) => ({
            ...group,
            ...(deliveries === undefined ? {} : { deliveries: once(deliveries, (id) => id) }),
            ...(effects === undefined ? {} : { effects: once(effects, ({ id }) => id) }),
          })),
        }),
  }
}

function once<T>(all: readonly T[], idOf: (each: T) => string): T[] {
  const seen = new Set<string>()
  return all.filter((each) => {
    const id = idOf(each)
    if (seen.has(id)) return false
    seen.add(id)
    return true
  })
}
