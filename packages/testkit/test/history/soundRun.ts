import type { CommittedEmit, Effect, GroupHistory, History, PublishedRecord } from '@oncebox/testkit'
import fc from 'fast-check'

/** A settled history with everything in it, of a run without faults. */
export type WholeHistory = History & {
  readonly records: readonly PublishedRecord[]
  readonly groups: readonly [Required<Omit<GroupHistory, 'topics'>>]
}

const keys = ['a', 'b', 'c', null] as const
const partitionOf: Readonly<Record<string, 0 | 1>> = { a: 0, b: 1, c: 1 }

/**
 * Histories as a correct system makes them: messages are published in the order of their turns, each partition has its
 * offsets; with faults, stretches of a partition come again; some messages are refused; the rest takes effect once.
 */
export const soundRuns: fc.Arbitrary<WholeHistory> = fc
  .record({
    messages: fc.array(fc.record({ key: fc.constantFrom(...keys), amount: fc.integer({ min: 1, max: 9 }) }), {
      minLength: 3,
      maxLength: 20,
    }),
    faults: fc.boolean(),
    rewinds: fc.array(fc.record({ at: fc.nat(19), back: fc.integer({ min: 1, max: 5 }) }), { maxLength: 4 }),
    refused: fc.array(fc.nat(19), { maxLength: 2 }),
  })
  .map(({ messages, faults, rewinds, refused }) => {
    const emits = messages.map(({ key, amount }, index): CommittedEmit => {
      return { id: `m${index}`, topic: 't', key, turn: index, amount }
    })
    const sent = again(emits, faults ? rewinds : [])
    const next: [number, number] = [0, 0]
    const records = sent.map(({ id, topic, key }): PublishedRecord => {
      const partition = partitionOf[key ?? 'a'] ?? 0
      return { id, topic, key, partition, offset: next[partition]++ }
    })
    const dead = new Set(refused.map((index) => `m${index}`).filter((id) => emits.some((emit) => emit.id === id)))
    const effects = emits
      .filter(({ id }) => !dead.has(id))
      .map(({ id, key, amount = 0 }): Effect => ({ id, key, amount }))
    const totals = new Map<string, number>()
    for (const { key, amount = 0 } of effects) if (key !== null) totals.set(key, (totals.get(key) ?? 0) + amount)
    const deliveries = records.map(({ id }) => id)
    const group = { name: 'g', deliveries, effects, totals, refused: [...dead] }
    return { emits, records, groups: [group] as const, settled: true, faults }
  })

/** At each of the places, what went before comes once more. */
function again(emits: readonly CommittedEmit[], rewinds: readonly { at: number; back: number }[]): CommittedEmit[] {
  return emits.flatMap((emit, index) => {
    const rewind = rewinds.find(({ at }) => at === index)
    return rewind === undefined ? [emit] : [emit, ...emits.slice(Math.max(0, index - rewind.back), index + 1)]
  })
}
