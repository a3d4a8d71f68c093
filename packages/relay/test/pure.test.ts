import type { PublishOutcome } from '@oncebox/transport'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Backlog, isStuck } from '../dist/backlog.js'
import { backoffMs } from '../dist/backoff.js'
import { type Entry, groupOf } from '../dist/entry.js'
import { keyMark } from '../dist/keyFilter.js'
import { Lease } from '../dist/lease.js'
import { Ledger } from '../dist/ledger.js'
import { nextPauseMs } from '../dist/pace.js'
import { fitting, planCall, sortOutcomes } from '../dist/plan.js'
import { progressAfter } from '../dist/pollingSource.js'
import { leavesToReclaim, slotToSwitchTo } from '../dist/reclaimDecision.js'
import { timeBytes, writeTime } from '../dist/wireTime.js'

function entry(position: number, topic: string, key: string | null, bytes = 1): Entry {
  return {
    position,
    writtenAt: 0,
    group: groupOf(topic, key),
    unit: groupOf(topic, key),
    topic,
    keyed: key !== null,
    keyText: key,
    keyMark: key === null ? 0 : keyMark(Buffer.from(key), 0, Buffer.byteLength(key)),
    key: null,
    value: null,
    headers: [],
    partition: null,
    bytes,
    traceparent: undefined,
    tracestate: undefined,
    assigned: true,
    assign: () => undefined,
    detach: () => undefined,
    page: null,
  }
}

const key = fc.option(fc.constantFrom('a', 'b', 'c'), { nil: null })
const entries = fc
  .array(fc.tuple(fc.constantFrom('t', 'u'), key), { maxLength: 30 })
  .map((list) => list.map(([topic, name], index) => entry(index, topic, name)))

/** What a publisher that keeps its contract answers: nothing of a key is acked after what was not. */
function answers(list: readonly Entry[], wishes: readonly string[]): PublishOutcome[] {
  const stopped = new Set<string>()
  return list.map((each, index) => {
    if (each.keyed && stopped.has(each.group)) return { status: 'held' }
    const wish = wishes[index] ?? 'acked'
    if (wish === 'acked') return { status: 'acked', partition: 0, offset: null }
    stopped.add(each.group)
    return wish === 'refused'
      ? { status: 'refused', code: 'RECORD_TOO_LARGE', reason: '' }
      : { status: 'failed', code: 'TRANSPORT_FAILED', reason: '' }
  })
}
const wishes = fc.array(fc.constantFrom('acked', 'acked', 'failed', 'refused'), { maxLength: 30 })

describe('sorting the outcomes of a call', () => {
  test('loses and doubles nothing, and keeps every group in order', () => {
    fc.assert(
      fc.property(entries, wishes, (list, wished) => {
        const sorted = sortOutcomes(list, answers(list, wished))
        const parts = [sorted.acked, ...sorted.refused.map((r) => r.entries), ...sorted.again.map((a) => a.entries)]
        expect(
          parts
            .flat()
            .map((e) => e.position)
            .sort((a, b) => a - b),
        ).toEqual(list.map((e) => e.position))
        for (const part of parts) {
          const positions = part.map((each) => each.position)
          expect(positions).toEqual([...positions].sort((a, b) => a - b))
        }
        for (const part of parts.slice(1)) expect(new Set(part.map((each) => each.group)).size).toBe(1)
      }),
    )
  })

  test('G4: what of a key was not acked is kept together, and nothing of it is acked after', () => {
    fc.assert(
      fc.property(entries, wishes, (list, wished) => {
        const sorted = sortOutcomes(list, answers(list, wished))
        for (const { entries: part } of [...sorted.refused, ...sorted.again]) {
          const first = part[0] as Entry
          if (!first.keyed) continue
          const behind = list.filter((each) => each.group === first.group && each.position > first.position)
          expect(part.slice(1)).toEqual(behind)
        }
      }),
    )
  })

  test('a publisher that answers for fewer records than it got has acked no more', () => {
    const list = [entry(1, 't', 'a'), entry(2, 't', 'b')]
    expect(sortOutcomes(list, []).again.flatMap((part) => part.entries)).toEqual(list)
  })
})

test('messages are sent, held or parked by their unit and group, in order, and what is due goes first', () => {
  const isHeld = ({ group }: Entry) => group === groupOf('t', 'a')
  fc.assert(
    fc.property(entries, entries, (due, fresh) => {
      const plan = planCall(
        // Of key b, what waited in the unit of its partition; everything else waited for its topic to be known.
        { due: due.map((each) => ({ entry: each, unit: each.keyText === 'b' ? each.unit : 'unresolved' })), fresh },
        {
          waitsIn: (each) => (isHeld(each) ? 'its unit' : undefined),
          ownUnitOf: (each) => (isHeld(each) ? 'its own' : undefined),
          isParked: (each) => each.topic === 'u',
        },
      )
      const tried = due.filter((each) => each.keyText === 'b' || !(isHeld(each) || each.topic === 'u'))
      const sent = fresh.filter((each) => !(isHeld(each) || each.topic === 'u'))
      expect(plan.send).toEqual([...tried, ...sent])
      expect(plan.park).toEqual([...due, ...fresh].filter((each) => each.topic === 'u' && !tried.includes(each)))
      expect(plan.hold).toEqual([
        ...due.filter(isHeld).map((each) => ({ entry: each, unit: 'its own' })),
        ...fresh.filter(isHeld).map((each) => ({ entry: each, unit: 'its unit' })),
      ])
      expect(plan.onlyWaits).toBe(fresh.length > 0 && sent.length === 0)
    }),
  )
})

test('at least one message fits, and never more than the limits', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(1_000), { minLength: 1 }),
      fc.integer({ min: 1, max: 20 }),
      fc.nat(3_000),
      (sizes, messages, bytes) => {
        const list = sizes.map((size) => ({ bytes: size }))
        const count = fitting(list, messages, bytes)
        expect(count).toBeGreaterThanOrEqual(1)
        expect(count).toBeLessThanOrEqual(messages)
        const sum = sizes.slice(0, count).reduce((a, b) => a + b, 0)
        expect(count === 1 || sum <= bytes).toBe(true)
      },
    ),
  )
})

test('progress never passes an unsettled message, and ends at the last page when all are settled', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(4), { minLength: 1, maxLength: 10 }), fc.array(fc.nat(100)), (sizes, order) => {
      const ledger = new Ledger({ last: 'start', page: null })
      const pages = sizes.map((size, page) => Array.from({ length: size }, (_, i) => entry(page * 10 + i, 't', 'a')))
      pages.forEach((page, index) => {
        ledger.open(page, { last: `${index}`, page: null }, index + 1)
      })
      const unsettled = pages.flat()
      for (const pick of order) {
        if (unsettled.length === 0) break
        ledger.settle(unsettled.splice(pick % unsettled.length, 1)[0] as Entry)
        const firstOpen = pages.findIndex((page) => page.some((each) => unsettled.includes(each)))
        const settledPages = firstOpen === -1 ? pages.length : firstOpen
        expect(ledger.settledWindow).toBeLessThanOrEqual(settledPages)
        if (ledger.progress.last !== 'start') expect(Number(ledger.progress.last)).toBeLessThan(settledPages)
      }
      for (const each of unsettled) ledger.settle(each)
      expect(ledger.progress.last).toBe(`${pages.length - 1}`)
      expect(ledger.settledWindow).toBe(pages.length)
      expect([ledger.bytes, ledger.count]).toEqual([0, 0])
    }),
  )
})

test('empty windows cost the ledger nothing while something waits', () => {
  const ledger = new Ledger({ last: 'start', page: null })
  const waiting = entry(1, 't', 'a')
  ledger.open([waiting], { last: 'w1', page: null }, 1)
  for (let i = 2; i < 1_000; i++) ledger.open([], { last: `w${i}`, page: null }, i)
  expect(ledger.progress.last).toBe('start')
  expect(ledger.takeDirty()).toBe(false)
  ledger.settle(waiting)
  expect(ledger.progress.last).toBe('w999')
  expect(ledger.takeDirty()).toBe(true)
  ledger.open([], { last: 'w1000', page: null }, 1000)
  expect(ledger.takeDirty()).toBe(false)
})

test('a window goes on below its first snapshot until a page comes back short', () => {
  const before = { last: 'L', page: null }
  const read = (cut: boolean, ...positions: number[]) => ({
    snapshot: 'S',
    cut,
    entries: positions.map((position) => ({ position })),
  })
  expect(progressAfter(before, read(false))).toEqual({ last: 'S', page: null })
  expect(progressAfter(before, read(false, 5))).toEqual({ last: 'S', page: null })
  const cut = { last: 'L', page: { upper: 'S', position: '6' } }
  expect(progressAfter(before, read(true, 5, 6))).toEqual(cut)
  const later = { ...read(true, 7, 8), snapshot: 'later' }
  expect(progressAfter(cut, later)).toEqual({ last: 'L', page: { upper: 'S', position: '8' } })
  expect(progressAfter(cut, { ...later, cut: false })).toEqual({ last: 'S', page: null })
})

test('pauses stay within 2 and 50 ms, and vanish while windows come half full', () => {
  fc.assert(
    fc.property(fc.nat(1_000), fc.nat(1_000), fc.integer({ min: 1, max: 1_000 }), (previous, rows, limit) => {
      const pause = nextPauseMs(previous, rows, limit)
      if (rows * 2 >= limit) expect(pause).toBe(0)
      else expect(pause >= 2 && pause <= 50).toBe(true)
    }),
  )
})

test('backoff doubles up to its longest, and never comes in step', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1_000 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (failures, random) => {
        const pause = backoffMs({ firstMs: 100, longestMs: 5_000 }, failures, () => random)
        const full = Math.min(5_000, 100 * 2 ** (failures - 1))
        expect(pause).toBeGreaterThanOrEqual(Math.floor(full / 2))
        expect(pause).toBeLessThanOrEqual(full)
      },
    ),
  )
})

test('a key is moved aside when it fails while others get through, or when it alone fills memory; never while the transport is away', () => {
  const state = { now: 31_000, lastAckAt: 500, parkAfterMs: 30_000, memoryFull: false }
  const group = {
    attempts: 3,
    failingSince: 1_000,
    failedAt: 31_000,
    aloneSince: null,
    code: 'TRANSPORT_FAILED' as const,
  }
  expect(isStuck(group, state)).toBe(false)
  expect(isStuck({ ...group, aloneSince: 1_000 }, state)).toBe(true)
  expect(isStuck({ ...group, aloneSince: 1_001 }, state)).toBe(false)
  expect(isStuck({ ...group, aloneSince: 1_001 }, { ...state, memoryFull: true })).toBe(true)
  expect(isStuck({ ...group, aloneSince: 1_000, attempts: 1 }, state)).toBe(false)
  expect(isStuck(group, { ...state, memoryFull: true })).toBe(true)
  // It was not tried again since something was acked: the transport may be back.
  expect(isStuck(group, { ...state, memoryFull: true, lastAckAt: 31_000 })).toBe(false)
  expect(isStuck({ ...group, code: 'TRANSPORT_UNREACHABLE' }, { ...state, memoryFull: true })).toBe(false)
})

test('a unit fails alone only when others were acked since its try before', () => {
  const backlog = new Backlog()
  const waiting = [entry(1, 't', 'a')]
  const fail = (now: number, lastAckAt: number) => {
    const tried = backlog.takeDue(now, 10, 1_000).entries.map((each) => each.entry)
    backlog.failed(tried.length === 0 ? waiting : tried, 'TRANSPORT_FAILED', { now, lastAckAt, pauseMs: () => 10 })
    return backlog.units()[0]
  }
  expect(fail(100, 50)).toMatchObject({ attempts: 1, aloneSince: null, retryAt: 110 })
  expect(fail(200, 50)).toMatchObject({ attempts: 2, aloneSince: null, failingSince: 100 })
  expect(fail(300, 250)).toMatchObject({ attempts: 3, aloneSince: 300, failingSince: 100 })
  expect(fail(400, 250)).toMatchObject({ attempts: 4, aloneSince: 300, entries: waiting })
})

test('a lease ends by the local clock, counted from before the renewal was sent', () => {
  let now = 0
  const lease = new Lease({ lane: 0, epoch: '1', token: 't', leaseMs: 1_000, monotonicMs: () => now, signOfLife: 0 })
  now = 999
  expect(lease.valid).toBe(true)
  lease.renewed(500)
  now = 1_499
  expect(lease.valid).toBe(true)
  now = 1_500
  expect(lease.valid).toBe(false)
})

test('only leaves that are not active, published and past retention are reclaimed; the slot moves only to an empty one', () => {
  const empty = (slot: number) => ({ slot, oldest: null, newest: null, unpublished: false })
  const full = (slot: number, newest: number, unpublished = false) => ({
    slot,
    oldest: newest - 10,
    newest,
    unpublished,
  })
  const ring = { activeSlot: 1, now: 1_000, leafWidthMs: 100, retentionMs: 500 }
  expect(
    leavesToReclaim({ ...ring, leaves: [full(0, 499), full(1, 300), full(2, 500), full(3, 100, true), empty(4)] }),
  ).toEqual([0])
  expect(slotToSwitchTo({ ...ring, leaves: [full(0, 499), full(1, 300), empty(2)] })).toBe(2)
  expect(slotToSwitchTo({ ...ring, leaves: [full(0, 499), full(1, 300), full(2, 400)] })).toBeNull()
  expect(slotToSwitchTo({ ...ring, leaves: [full(0, 499), full(1, 950), empty(2)] })).toBeNull()
  expect(slotToSwitchTo({ ...ring, activeSlot: 2, leaves: [empty(0), full(1, 300), full(2, 300)] })).toBe(0)
})

test('times are RFC 3339 with microseconds', () => {
  const text = (microseconds: number) => {
    const out = Buffer.alloc(timeBytes)
    writeTime(microseconds, out)
    return out.toString()
  }
  expect(text(0)).toBe('2000-01-01T00:00:00.000000Z')
  expect(text(-1)).toBe('1999-12-31T23:59:59.999999Z')
  fc.assert(
    fc.property(
      fc.date({ min: new Date(0), max: new Date('2284-01-01'), noInvalidDate: true }),
      fc.nat(999),
      (date, rest) => {
        const microseconds = (date.getTime() - Date.UTC(2000, 0, 1)) * 1_000 + rest
        expect(text(microseconds)).toBe(date.toISOString().replace('Z', `${String(rest).padStart(3, '0')}Z`))
      },
    ),
  )
  // Past 2285 microseconds are no longer exact. What Postgres sends for -infinity and infinity.
  expect(text(-(2 ** 63))).toMatch(/^0000-01-01T00:00:00/)
  expect(text(2 ** 63)).toMatch(/^9999-12-31T23:59:59/)
})
