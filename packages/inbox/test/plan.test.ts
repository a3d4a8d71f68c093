import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { backoffMs } from '../dist/backoff.js'
import { heldAt, isolated, nextSpan, planOf } from '../dist/batchPlan.js'
import { afterCommit, afterConflict, type BatchSize, fullSize } from '../dist/batchSize.js'
import { afterFailure, afterFate, afterSpanCommitted, type BatchState, fateOf, mostKeysAside } from '../dist/decide.js'
import type { Failure } from '../dist/failure.js'

/** Drives the decisions over a batch in which the records in `bad` always fail, as the loop does. */
function drive(options: {
  readonly records: number
  readonly bad: ReadonlySet<number>
  /** A handler a message tells the culprit; a batch handler or COMMIT does not. */
  readonly known: boolean
  readonly attempts: number
  readonly limit: number
}) {
  const { records, bad, known, attempts, limit } = options
  const committed: number[] = []
  const buried = new Set<number>()
  const counts = new Map<number, number>()
  let transactions = 0
  let deliveries = 0
  let from = 0
  while (from < records) {
    expect(++deliveries).toBeLessThan(10_000)
    const start = from
    const plan = [...counts.keys()]
      .filter((index) => index >= start && !buried.has(index))
      .reduce((each, index) => isolated(each, index - start), planOf(records - start))
    let state: BatchState = { plan, size: fullSize(limit), conflictsAlone: 0, repeating: null }
    for (let span = nextSpan(state.plan, limit); span !== null; span = nextSpan(state.plan, limit)) {
      transactions++
      expect(span.to - span.from).toBeLessThanOrEqual(limit)
      const inSpan = Array.from({ length: span.to - span.from }, (_, at) => (span?.from ?? 0) + at)
      const runs = inSpan.filter((index) => !buried.has(index + start))
      const culprit = runs.find((index) => bad.has(index + start))
      if (culprit === undefined) {
        committed.push(...inSpan.map((index) => index + start))
        state = afterSpanCommitted(state, span, limit)
        continue
      }
      const suspects = known ? [culprit] : runs
      const failure: Failure = {
        kind: 'suspects',
        suspects,
        swallowed: false,
        outcome: null,
        repeated: null,
        error: null,
      }
      const next = afterFailure(state, span, failure)
      state = next.state
      if (next.remedy.kind === 'count') {
        const { index } = next.remedy
        expect(index).toBe(culprit)
        const count = (counts.get(index + start) ?? 0) + 1
        counts.set(index + start, count)
        const fate = fateOf({ policy: 'skip', attempts: count, limit: attempts, keyed: true, keysAside: 0 })
        state = afterFate(state, index, fate)
        if (fate === 'bury') buried.add(index + start)
      } else expect(next.remedy.kind).toBe('again')
    }
    from = start + state.plan.done
  }
  return { committed, buried, counts, transactions }
}

const batches = fc.record({
  records: fc.integer({ min: 1, max: 300 }),
  badPlaces: fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { maxLength: 5 }),
  known: fc.boolean(),
  attempts: fc.integer({ min: 1, max: 4 }),
  limit: fc.integer({ min: 1, max: 300 }),
})

describe('the decisions about a failed transaction', () => {
  test('every record is settled once and in order, and exactly the bad ones are given up after their attempts', () => {
    fc.assert(
      fc.property(batches, ({ records, badPlaces, ...rest }) => {
        const bad = new Set(badPlaces.map((place) => Math.floor(place * records)))
        const result = drive({ records, bad, ...rest })
        expect(result.committed).toEqual(Array.from({ length: records }, (_, index) => index))
        expect(result.buried).toEqual(bad)
        for (const index of bad) expect(result.counts.get(index)).toBe(rest.attempts)
        expect([...result.counts.keys()].every((index) => bad.has(index))).toBe(true)
      }),
    )
  })

  test('one bad message in 1,000 costs at most 2·log2(1000) + 2 transactions more', () => {
    for (let culprit = 0; culprit < 1000; culprit++) {
      const bad = new Set([culprit])
      const { transactions } = drive({ records: 1000, bad, known: false, attempts: 1, limit: 1000 })
      expect(transactions - 1).toBeLessThanOrEqual(2 * Math.log2(1000) + 2)
    }
  })

  test('a culprit that is known costs three transactions more: those before it, itself, the rest', () => {
    const { transactions } = drive({ records: 1000, bad: new Set([500]), known: true, attempts: 1, limit: 1000 })
    expect(transactions).toBe(4)
  })

  test('a held message holds all behind it and nothing before it', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100 }),
        fc.nat(99),
        fc.integer({ min: 1, max: 100 }),
        (records, at, size) => {
          const index = at % records
          let plan = heldAt(planOf(records), index)
          for (let span = nextSpan(plan, size); span !== null; span = nextSpan(plan, size)) {
            plan = { ...plan, done: span.to }
          }
          expect(plan.done).toBe(index)
        },
      ),
    )
  })

  test('ten conflicts of a message alone in its transaction count as a failed attempt; with others beside it, none', () => {
    const conflict = (ran: number[]): Failure => ({ kind: 'conflict', ran, error: null })
    let state: BatchState = { plan: planOf(1), size: fullSize(500), conflictsAlone: 0, repeating: null }
    const remedies: string[] = []
    for (let time = 0; time < 10; time++) {
      const next = afterFailure(state, { from: 0, to: 1 }, conflict([0]))
      state = next.state
      remedies.push(next.remedy.kind)
    }
    expect(remedies).toEqual([...Array(9).fill('againLater'), 'count'])
    state = { plan: planOf(2), size: fullSize(500), conflictsAlone: 0, repeating: null }
    for (let time = 0; time < 50; time++) {
      const next = afterFailure(state, { from: 0, to: 2 }, conflict([0, 1]))
      state = next.state
      expect(next.remedy.kind).toBe('againLater')
    }
  })
})

test('what becomes of a failed message: by policy, attempts, key, and how many keys fail already', () => {
  const standing = { policy: 'park', attempts: 1, limit: 3, keyed: true, keysAside: 0 } as const
  expect(fateOf(standing)).toBe('aside')
  expect(fateOf({ ...standing, attempts: 3 })).toBe('bury')
  expect(fateOf({ ...standing, keyed: false })).toBe('hold')
  expect(fateOf({ ...standing, keysAside: mostKeysAside })).toBe('hold')
  expect(fateOf({ ...standing, policy: 'skip' })).toBe('hold')
  expect(fateOf({ ...standing, policy: 'skip', attempts: 3 })).toBe('bury')
  expect(fateOf({ ...standing, policy: 'block', attempts: 300 })).toBe('hold')
})

describe('the size of a transaction', () => {
  const steps = fc.array(fc.boolean(), { maxLength: 400 })

  test('stays between one and the limit, halves at a conflict and grows back to the limit', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1000 }), steps, (limit, outcomes) => {
        let size: BatchSize = fullSize(limit)
        for (const ok of outcomes) {
          const before = size.messages
          size = ok ? afterCommit(size, limit) : afterConflict(size, size.messages)
          expect(size.messages).toBeGreaterThanOrEqual(1)
          expect(size.messages).toBeLessThanOrEqual(limit)
          if (!ok) expect(size.messages).toBe(Math.max(1, Math.floor(before / 2)))
        }
        let commits = 0
        while (size.messages < limit) {
          size = afterCommit(size, limit)
          expect(++commits).toBeLessThan(30_000)
        }
      }),
    )
  })

  test('is halved from what was tried, so that a short batch is really made smaller', () => {
    expect(afterConflict(fullSize(500), 10).messages).toBe(5)
  })
})

test('the pause doubles from its least to its most, and jitter never leaves these bounds', () => {
  const backoff = { minMs: 200, maxMs: 60_000 }
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 2000 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (attempt, random) => {
        const ms = backoffMs(attempt, backoff, random)
        expect(ms).toBeGreaterThanOrEqual(200)
        expect(ms).toBeLessThanOrEqual(60_000)
      },
    ),
  )
  expect([1, 2, 3, 9, 20].map((attempt) => backoffMs(attempt, backoff, 0.5))).toEqual([200, 400, 800, 51_200, 60_000])
})
