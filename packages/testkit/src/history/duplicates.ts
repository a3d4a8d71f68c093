import type { Case } from './judgeHistory.js'
import type { Violation } from './violation.js'
import { about } from './witness.js'

/** More copies than the faults of the run may cause: none without faults. */
export function duplicates({ history }: Case): Violation[] {
  const { records, groups = [], faults, mostDuplicates = Number.POSITIVE_INFINITY } = history
  const bound = faults ? mostDuplicates : 0
  const count = (ids: readonly string[], verb: string, group?: string): Violation[] => {
    const { copies, twice } = copiesOf(ids)
    if (copies <= bound) return []
    const enough = { ...about(history, twice.slice(0, bound + 1), group) }
    const message = `${copies} ${copies === 1 ? 'copy was' : 'copies were'} ${verb}, ${faults ? `and ${bound} allowed` : 'without a fault'}`
    return [{ rule: 'duplicates', message, witness: enough }]
  }
  return [
    ...(records === undefined
      ? []
      : count(
          records.map(({ id }) => id),
          'published',
        )),
    ...groups.flatMap(({ name, deliveries = [] }) => count(deliveries, `delivered to ${name}`, name)),
  ]
}

function copiesOf(ids: readonly string[]): { readonly copies: number; readonly twice: readonly string[] } {
  const seen = new Set<string>()
  const twice = new Set<string>()
  for (const id of ids) {
    if (seen.has(id)) twice.add(id)
    seen.add(id)
  }
  return { copies: ids.length - seen.size, twice: [...twice] }
}
