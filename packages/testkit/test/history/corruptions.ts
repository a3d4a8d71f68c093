import type { Rule } from '@oncebox/testkit'
import type { WholeHistory } from './soundRun.js'

interface Corruption {
  readonly rule: Rule
  /** `choice` says which of the places; null: this history has none. */
  readonly corrupt: (history: WholeHistory, choice: number) => WholeHistory | null
}

type Group = WholeHistory['groups'][0]

const pick = <T>(all: readonly T[], choice: number): T | undefined => all[choice % Math.max(all.length, 1)]

const withGroup = (history: WholeHistory, change: (group: Group) => Partial<Group>): WholeHistory => ({
  ...history,
  groups: [{ ...history.groups[0], ...change(history.groups[0]) }],
})

/** One thing that a faulty system could have done, each. */
export const corruptions: Readonly<Record<string, Corruption>> = {
  'every record of a message is missing': {
    rule: 'lost',
    corrupt(history, choice) {
      const gone = pick(history.emits, choice)?.id
      return { ...history, records: history.records.filter(({ id }) => id !== gone) }
    },
  },
  'an effect is missing': {
    rule: 'lost',
    corrupt(history, choice) {
      const [{ effects }] = history.groups
      const gone = pick(effects, choice)?.id
      return gone === undefined
        ? null
        : withGroup(history, () => ({ effects: effects.filter(({ id }) => id !== gone) }))
    },
  },
  'an effect happened again': {
    rule: 'ranTwice',
    corrupt(history, choice) {
      const [{ effects }] = history.groups
      const again = pick(effects, choice)
      return again === undefined ? null : withGroup(history, () => ({ effects: [...effects, again] }))
    },
  },
  'a record is of nobody': {
    rule: 'phantom',
    corrupt: (history) => ({
      ...history,
      records: [...history.records, { id: 'ghost', topic: 't', key: null, partition: 0, offset: 99 }],
    }),
  },
  'a delivery is of nobody': {
    rule: 'phantom',
    corrupt: (history) => withGroup(history, ({ deliveries }) => ({ deliveries: [...deliveries, 'ghost'] })),
  },
  'a total is off by one': {
    rule: 'notConserved',
    corrupt(history, choice) {
      const [{ totals }] = history.groups
      const key = pick([...totals.keys()], choice)
      return key === undefined
        ? null
        : withGroup(history, () => ({ totals: new Map([...totals, [key, (totals.get(key) ?? 0) + 1]]) }))
    },
  },
  'two effects of a key have changed places': {
    rule: 'outOfOrder',
    corrupt(history, choice) {
      const [{ effects }] = history.groups
      const key = pick(
        effects.filter((effect) => effect.key !== null),
        choice,
      )?.key
      const places = effects.flatMap((effect, index) => (effect.key === key ? [index] : []))
      const [first, second] = places
      if (key === undefined || first === undefined || second === undefined) return null
      const swapped = effects.map((effect, index) =>
        index === first ? effects[second] : index === second ? effects[first] : effect,
      ) as Group['effects']
      return withGroup(history, () => ({ effects: swapped }))
    },
  },
  'a record is on another partition': {
    rule: 'movedPartition',
    corrupt(history, choice) {
      const keyed = history.records.filter(
        ({ key }) => history.records.filter((other) => key !== null && other.key === key).length > 1,
      )
      const moved = pick(keyed, choice)
      return moved === undefined
        ? null
        : {
            ...history,
            records: history.records.map((record) => (record === moved ? { ...moved, partition: 7 } : record)),
          }
    },
  },
  'a delivery came twice in a run without faults': {
    rule: 'duplicates',
    corrupt(history, choice) {
      const again = pick(history.groups[0].deliveries, choice)
      return history.faults || again === undefined
        ? null
        : withGroup(history, ({ deliveries }) => ({ deliveries: [...deliveries, again] }))
    },
  },
  'an effect has another amount': {
    rule: 'altered',
    corrupt(history, choice) {
      const [{ effects }] = history.groups
      const wrong = pick(effects, choice)
      return wrong === undefined
        ? null
        : withGroup(history, () => ({
            effects: effects.map((effect) =>
              effect === wrong ? { ...effect, amount: (effect.amount ?? 0) + 1 } : effect,
            ),
          }))
    },
  },
  'a count is one too few': {
    rule: 'miscounted',
    corrupt: (history) => ({ ...history, reported: { published: history.records.length - 1 } }),
  },
}
