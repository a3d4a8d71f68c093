import type { ReportedCounts } from './history.js'
import type { Case } from './judgeHistory.js'
import type { Violation } from './violation.js'

/** Counts that a part gave of itself and that the history does not bear out. */
export function miscounted({ history }: Case): Violation[] {
  const { reported = {}, emits, records, groups = [] } = history
  const sum = (lengths: readonly (number | undefined)[]): number | undefined =>
    lengths.length === 0 || lengths.includes(undefined)
      ? undefined
      : lengths.reduce<number>((total, length) => total + (length as number), 0)
  const counted: Readonly<Record<keyof ReportedCounts, number | undefined>> = {
    emitted: emits.length,
    published: records?.length,
    received: sum(groups.map(({ deliveries }) => deliveries?.length)),
    applied: sum(groups.map(({ effects }) => effects?.length)),
  }
  return (Object.keys(counted) as (keyof ReportedCounts)[]).flatMap((name) => {
    const said = reported[name]
    const is = counted[name]
    if (said === undefined || is === undefined || said === is) return []
    // A count is about all of its events: none can be left out.
    return [
      {
        rule: 'miscounted' as const,
        message: `${said} were reported as ${name}, and ${is} were`,
        witness: { ...history, reported: { [name]: said } },
      },
    ]
  })
}
