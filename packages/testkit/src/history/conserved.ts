import type { Effect, GroupHistory, History } from './history.js'
import type { Case } from './judgeHistory.js'
import type { Violation } from './violation.js'
import { about } from './witness.js'

/**
 * Totals that are not the sum of what was applied; and, once everything came to rest, not the sum of what was committed:
 * the one check that believes no log of the consumer.
 */
export function notConserved(at: Case): Violation[] {
  return (at.history.groups ?? []).flatMap((group) => {
    const { totals, effects } = group
    if (totals === undefined) return []
    const wrong = new Map<string, string>()
    const compare = (expected: ReadonlyMap<string, number>, of: string): void => {
      for (const key of new Set([...expected.keys(), ...totals.keys()])) {
        const total = totals.get(key) ?? 0
        const sum = expected.get(key) ?? 0
        if (total !== sum && !wrong.has(key))
          wrong.set(key, `the total of ${key} at ${group.name} is ${total}, and ${of} sums to ${sum}`)
      }
    }
    if (effects !== undefined) compare(sums(effects), 'what was applied')
    if (at.history.settled) compare(sums(expectedOf(at.history, group)), 'what was committed')
    return [...wrong].map(([key, message]) => ({
      rule: 'notConserved' as const,
      message,
      witness: witnessOf(at, group, key),
    }))
  })
}

function expectedOf({ emits }: History, { topics, refused = [] }: GroupHistory): readonly Effect[] {
  const without = new Set(refused)
  return emits.filter(({ id, topic }) => (topics?.includes(topic) ?? true) && !without.has(id))
}

function sums(effects: readonly Effect[]): Map<string, number> {
  const of = new Map<string, number>()
  for (const { key, amount = 0 } of effects) if (key !== null) of.set(key, (of.get(key) ?? 0) + amount)
  return of
}

/** Everything of the key at the group: no part of a sum can be left out. */
function witnessOf({ history }: Case, group: GroupHistory, key: string): History {
  const ofKey = (each: { readonly key: string | null }): boolean => each.key === key
  const ids = new Set([...history.emits, ...(group.effects ?? [])].filter(ofKey).map(({ id }) => id))
  const { records: _, ...witness } = about(history, [...ids], group.name)
  const totals = new Map([...(group.totals ?? [])].filter(([name]) => name === key))
  return { ...witness, groups: (witness.groups ?? []).map((each) => ({ ...each, totals })) }
}
