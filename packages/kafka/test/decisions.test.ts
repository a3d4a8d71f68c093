import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FetchSession, type WantedPartition } from '../src/fetchSession.js'
import { assignRoundRobin } from '../src/groupAssignor.js'
import { choosePosition } from '../src/positions.js'

describe('where to go on in a partition', () => {
  const range = { low: 5n, high: 10n }

  it.each([5n, 7n, 10n])('at the stored offset within the partition (%s)', (wanted) => {
    expect(choosePosition(wanted, 6n, range)).toEqual({ offset: wanted })
  })

  it('where the group left off without one, and at the first record without either', () => {
    expect(choosePosition(undefined, 6n, range)).toEqual({ offset: 6n })
    expect(choosePosition(undefined, undefined, range)).toEqual({ offset: 5n })
  })

  it('passes over a stored offset beyond the end', () => {
    expect(choosePosition(11n, 6n, range)).toMatchObject({
      offset: 6n,
      note: expect.stringContaining('beyond the end'),
    })
    expect(choosePosition(11n, 12n, range).offset).toBe(5n)
  })

  it('moves up to the first record that is left', () => {
    expect(choosePosition(4n, 9n, range)).toMatchObject({ offset: 5n, note: expect.stringContaining('deleted') })
  })
})

describe('dealing out partitions', () => {
  const subset = fc.uniqueArray(fc.constantFrom('a', 'b', 'c'), { minLength: 1 })
  const members = fc.uniqueArray(
    fc.record({ memberId: fc.string({ minLength: 1 }), topics: subset as fc.Arbitrary<string[]> }),
    {
      selector: (member) => member.memberId,
      minLength: 1,
      maxLength: 6,
    },
  )

  it('gives each partition to one member that subscribes to its topic, whoever deals', () => {
    const counts = new Map([
      ['a', 5],
      ['b', 1],
      ['c', 0],
    ])
    fc.assert(
      fc.property(members, (all) => {
        const dealt = assignRoundRobin(all, counts)
        expect(assignRoundRobin([...all].reverse(), counts)).toEqual(dealt)
        for (const [topic, count] of counts) {
          const owners = [...dealt].flatMap(([memberId, own]) =>
            (own.get(topic) ?? []).map((partition) => [partition, memberId]),
          )
          const wanted = all.some((member) => member.topics.includes(topic)) ? count : 0
          expect(owners.map(([partition]) => Number(partition)).sort()).toEqual([...Array(wanted).keys()])
          for (const [, owner] of owners) {
            expect(all.find((member) => member.memberId === owner)?.topics).toContain(topic)
          }
        }
      }),
    )
  })

  it('gives members with the same topics the same number of partitions, give or take one', () => {
    const all = ['x', 'y', 'z'].map((memberId) => ({ memberId, topics: ['a', 'b'] }))
    const dealt = assignRoundRobin(
      all,
      new Map([
        ['a', 4],
        ['b', 4],
      ]),
    )
    const counts = [...dealt.values()].map((own) => [...own.values()].flat().length)
    expect(counts.sort()).toEqual([2, 3, 3])
  })
})

describe('a fetch session', () => {
  const want = (partition: number, fetchOffset: number): WantedPartition => ({
    topicId: 'id',
    partition,
    fetchOffset,
    maxBytes: 100,
  })

  it('names everything once, then what changed, and what is wanted no longer', () => {
    const session = new FetchSession()
    expect(session.plan([want(0, 1), want(1, 1)])).toMatchObject({ sessionId: 0, sessionEpoch: 0 })
    session.answered(77)
    expect(session.plan([want(0, 2), want(1, 1)])).toEqual({
      sessionId: 77,
      sessionEpoch: 1,
      wanted: [want(0, 2)],
      forgotten: [],
    })
    session.answered(77)
    const third = session.plan([want(0, 2)])
    expect(third).toMatchObject({ sessionEpoch: 2, wanted: [] })
    expect(third.forgotten).toEqual([want(1, 1)])
  })

  it('begins anew after a failure, and where the broker keeps none', () => {
    const session = new FetchSession()
    session.plan([want(0, 1)])
    session.answered(77)
    session.plan([want(0, 2)])
    session.reset()
    expect(session.plan([want(0, 2)])).toEqual({ sessionId: 0, sessionEpoch: 0, wanted: [want(0, 2)], forgotten: [] })
    session.answered(0)
    expect(session.plan([want(0, 3)])).toMatchObject({ sessionId: 0, sessionEpoch: 0 })
  })
})
