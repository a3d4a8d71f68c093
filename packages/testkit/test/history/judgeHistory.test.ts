import { explainViolation, type History, judgeHistory } from '@oncebox/testkit'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { corruptions } from './corruptions.js'
import { soundRuns } from './soundRun.js'

const emits = [
  { id: 'm1', topic: 't', key: 'a', turn: 1, amount: 10 },
  { id: 'm2', topic: 't', key: 'b', turn: 1, amount: 5 },
  { id: 'm3', topic: 't', key: 'a', turn: 2, amount: 20 },
]
const records = [
  { id: 'm1', topic: 't', key: 'a', partition: 0, offset: 0 },
  { id: 'm2', topic: 't', key: 'b', partition: 0, offset: 1 },
  { id: 'm3', topic: 't', key: 'a', partition: 0, offset: 2 },
]
const [m1, m2, m3] = emits.map(({ id, key, amount }) => ({ id, key, amount })) as [Line, Line, Line]
type Line = { id: string; key: string; amount: number }
const group = {
  name: 'g',
  deliveries: ['m1', 'm2', 'm3'],
  effects: [m1, m2, m3],
  totals: new Map([
    ['a', 30],
    ['b', 5],
  ]),
}
const sound: History = { emits, records, groups: [group], settled: true, faults: true }

const told = (history: History) => judgeHistory(history).map(explainViolation).join('\n')

describe('a history made by hand', () => {
  test('is clean where nothing is wrong', () => {
    expect(judgeHistory(sound)).toEqual([])
  })

  test('G1: shows a message that was never published, by its commit alone', () => {
    const { groups: _, ...without } = sound
    expect(told({ ...without, records: [records[0], records[2]] as never })).toBe(
      'lost: m2 was committed and is not in t\n  committed  m2 to t, key b, turn 1',
    )
  })

  test('G1: shows how far a message came that has no effect', () => {
    const quiet = { ...group, effects: [m1, m3], totals: new Map([['a', 30]]) }
    expect(told({ ...sound, groups: [quiet] })).toContain(
      [
        'lost: m2 was committed and never applied by g',
        '  committed  m2 to t, key b, turn 1',
        '  published  m2 to t/0 at 1, key b',
        '  delivered  m2 to g',
      ].join('\n'),
    )
  })

  test('does not call lost what is still under way, or was refused where an operator sees it', () => {
    const early = { ...group, effects: [m1], totals: new Map([['a', 10]]) }
    expect(judgeHistory({ ...sound, groups: [early], settled: false })).toEqual([])
    const dead = { ...group, effects: [m1, m3], totals: new Map([['a', 30]]), refused: ['m2'] }
    expect(judgeHistory({ ...sound, groups: [dead] })).toEqual([])
  })

  test('does not expect of a group what is in topics it does not read', () => {
    const other = { id: 'x1', topic: 'u', key: 'a', turn: 1 }
    const record = { id: 'x1', topic: 'u', key: 'a', partition: 0, offset: 0 }
    const reader = { ...group, topics: ['t'] }
    expect(
      judgeHistory({ ...sound, emits: [...emits, other], records: [...records, record], groups: [reader] }),
    ).toEqual([])
  })

  test('G2: shows a message of a transaction that was rolled back', () => {
    const ghost = { id: 'm9', topic: 't', key: 'a', partition: 0, offset: 3 }
    expect(told({ ...sound, records: [...records, ghost], rolledBack: ['m8', 'm9'] })).toBe(
      'phantom: no committed transaction wrote m9, the one that did was rolled back\n' +
        '  rolled back  m9\n  published  m9 to t/0 at 3, key a',
    )
  })

  test('G3: shows an effect that happened twice, and the total that it spoilt', () => {
    const twice = {
      ...group,
      effects: [m1, m2, m3, m1],
      totals: new Map([
        ['a', 40],
        ['b', 5],
      ]),
    }
    const found = judgeHistory({ ...sound, groups: [twice] })
    expect(found.map(({ rule, message }) => [rule, message])).toEqual([
      ['ranTwice', 'g applied m1 2 times'],
      ['notConserved', 'the total of a at g is 40, and what was committed sums to 30'],
    ])
    expect(found[0]?.witness.emits).toEqual([emits[0]])
  })

  test('G3: believes the totals where the log of effects says nothing', () => {
    const { effects: _, ...unlogged } = group
    const found = judgeHistory({
      ...sound,
      groups: [
        {
          ...unlogged,
          totals: new Map([
            ['a', 10],
            ['b', 5],
          ]),
        },
      ],
    })
    expect(found.map(({ rule }) => rule)).toEqual(['notConserved'])
    expect(found[0]?.witness.emits.map(({ id }) => id)).toEqual(['m1', 'm3'])
  })

  test('G4: shows the two messages of a key that came in the wrong order, at the place where they did', () => {
    const swapped = [
      { ...records[2], offset: 0 },
      { ...records[0], offset: 2 },
      { ...records[1] },
      { ...records[2], offset: 3 },
    ] as typeof records
    expect(told({ ...sound, records: swapped })).toBe(
      'outOfOrder: key a of t: turn 1 (m1) was first published after turn 2 (m3)\n' +
        '  committed  m1 to t, key a, turn 1\n  committed  m3 to t, key a, turn 2\n' +
        '  published  m3 to t/0 at 0, key a\n  published  m1 to t/0 at 2, key a',
    )
    expect(told({ ...sound, groups: [{ ...group, effects: [m3, m2, m1] }] })).toContain(
      'first applied by g after turn 2',
    )
    expect(told({ ...sound, groups: [{ ...group, deliveries: ['m2', 'm3', 'm1'] }] })).toContain('first delivered to g')
  })

  test('G4: takes copies of older messages for what they are', () => {
    const copies = [...records, { ...records[0], offset: 3 } as (typeof records)[number]]
    expect(
      judgeHistory({ ...sound, records: copies, groups: [{ ...group, deliveries: ['m1', 'm2', 'm3', 'm1'] }] }),
    ).toEqual([])
  })

  test('G4: shows a key on two partitions', () => {
    const moved = [records[0], records[1], { ...records[2], partition: 1 }] as typeof records
    expect(told({ ...sound, records: moved })).toContain('movedPartition: key a of t is on partition 0 and on 1')
  })

  test('shows a record with another key than the message was written with', () => {
    const wrong = [{ ...records[0], key: 'b' }, records[1], records[2]] as typeof records
    expect(judgeHistory({ ...sound, records: wrong })[0]).toMatchObject({ rule: 'altered' })
  })

  test('counts copies against their bound, and allows none without faults', () => {
    const deliveries = ['m1', 'm1', 'm2', 'm2', 'm3']
    const history = { ...sound, groups: [{ ...group, deliveries }] }
    expect(judgeHistory({ ...history, mostDuplicates: 2 })).toEqual([])
    expect(told({ ...history, mostDuplicates: 1 })).toContain('2 copies were delivered to g, and 1 allowed')
    expect(told({ ...history, faults: false })).toContain('2 copies were delivered to g, without a fault')
  })

  test('shows a write under an epoch that was over, if it changed anything', () => {
    const writes = [
      { epoch: 2, current: 2, changedRows: 1 },
      { epoch: 1, current: 2, changedRows: 0 },
    ]
    expect(judgeHistory({ ...sound, writes })).toEqual([])
    expect(told({ ...sound, writes: [...writes, { epoch: 1, current: 2, changedRows: 1 }] })).toBe(
      'staleWrite: epoch 1 changed 1 rows while 2 held the lane\n' +
        '  written    under epoch 1 while 2 held the lane: 1 rows changed',
    )
  })

  test('holds reported counts against what it counts itself', () => {
    expect(judgeHistory({ ...sound, reported: { emitted: 3, published: 3, received: 3, applied: 3 } })).toEqual([])
    expect(judgeHistory({ ...sound, reported: { published: 2 } })[0]?.message).toBe(
      '2 were reported as published, and 3 were',
    )
  })
})

describe('a history made at random', () => {
  test('is clean when a correct system could have made it', () => {
    const clean = (history: History): void => {
      expect(judgeHistory(history)).toEqual([])
    }
    fc.assert(
      fc.property(soundRuns, (history) => clean(history)),
      { numRuns: 500 },
    )
  })

  for (const [name, { rule, corrupt }] of Object.entries(corruptions)) {
    test(`is guilty of ${rule} after one corruption: ${name}; so is the witness, which is no longer than it has to be`, () => {
      fc.assert(
        fc.property(soundRuns, fc.nat(), (history, choice) => {
          const corrupted = corrupt(history, choice)
          fc.pre(corrupted !== null)
          if (corrupted === null) return
          const found = judgeHistory(corrupted).find((violation) => violation.rule === rule)
          expect(found?.rule).toBe(rule)
          if (found === undefined) return
          expect(judgeHistory(found.witness).map((violation) => violation.rule)).toContain(rule)
          if (rule !== 'notConserved' && rule !== 'miscounted')
            expect(found.witness.emits.length).toBeLessThanOrEqual(2)
        }),
        { numRuns: 200 },
      )
    })
  }
})
