import type { Message } from '@oncebox/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Caution, carefulFrom, isCareful } from '../dist/caution.js'
import type { Item, Verdict } from '../dist/decode.js'
import { keyPlaceOf } from '../dist/parking.js'
import type { PoisonPolicy } from '../dist/poison.js'
import { sortOut } from '../dist/sortOut.js'

const verdicts = fc.constantFrom<Verdict['kind']>('run', 'run', 'run', 'dead', 'skip', 'aside')
const messages = fc.array(fc.record({ key: fc.option(fc.nat(3), { nil: null }), kind: verdicts }), { maxLength: 40 })
const rules = (policy: PoisonPolicy) => ({ horizonMs: 1000, futureMs: 1000, poison: new Map([['*', policy]]) })
const gate = { floorMs: 0, nowMs: 500 }

function itemOf({ key, kind }: { key: number | null; kind: Verdict['kind'] }, index: number): Item {
  const verdict = {
    run: { kind: 'run', message: {} as Message },
    dead: { kind: 'dead', reason: 'HANDLER_FAILED', error: null },
    skip: { kind: 'skip', reason: '' },
    aside: { kind: 'aside', dueInMs: 5 },
    block: { kind: 'block', reason: 'HANDLER_FAILED' },
    ignore: { kind: 'ignore' },
    done: { kind: 'done' },
  } as const
  const record = { topic: 't', partition: 0, offset: String(index), timestamp: 500, value: null, headers: [] }
  return {
    index,
    record: { ...record, key: key === null ? null : Buffer.from([key]) },
    id: { kind: 'ring', id: String(index), source: '', identity: String(index), timeMs: 500 },
    type: 'any',
    contentType: null,
    verdict: verdict[kind],
  }
}

describe('what a transaction does with its messages', () => {
  test('each is settled once, in order; after the first of a key that waits, no later one of the key runs', () => {
    fc.assert(
      fc.property(messages, fc.subarray([0, 1, 2, 3]), fc.constantFrom('park', 'skip'), (list, waitingKeys, policy) => {
        const items = list.map(itemOf)
        const waiting = new Set(waitingKeys.map((key) => keyPlaceOf(itemOf({ key, kind: 'run' }, 0)) as string))
        const sorted = sortOut(items, waiting, gate, rules(policy as PoisonPolicy), () => 1)
        const { runnables, letters, skipped, parked, heads } = sorted
        const indexes = [...runnables, ...letters, ...skipped].map(({ item }) => item.index)
        expect([...indexes, ...parked.map(({ index }) => index)].sort((a, b) => a - b)).toEqual(
          items.map(({ index }) => index),
        )
        expect(parked.map(({ index }) => index)).toEqual(parked.map(({ index }) => index).sort((a, b) => a - b))
        const closed = new Set(waiting)
        for (const item of items) {
          const place = keyPlaceOf(item)
          const isParked = parked.includes(item)
          if (place !== null && closed.has(place)) expect(isParked).toBe(true)
          else expect(isParked).toBe(item.verdict.kind === 'aside')
          const parks = item.verdict.kind === 'aside' || (item.verdict.kind === 'dead' && policy === 'park')
          if (place !== null && parks) closed.add(place)
        }
        // A key begins to wait once, and only one that did not wait before.
        const begun = heads.map(({ place }) => place)
        expect(new Set(begun).size).toBe(begun.length)
        expect(begun.filter((place) => waiting.has(place))).toEqual([])
        expect(new Set([...begun, ...waiting])).toEqual(closed)
      }),
    )
  })
})

describe('a message past the horizon', () => {
  const letterOf = (verdict: Verdict) => {
    const item = { ...itemOf({ key: 1, kind: 'run' }, 0), verdict }
    const { letters, heads } = sortOut([item], new Set(), { floorMs: 0, nowMs: 5000 }, rules('park'), () => 1)
    return [letters.map(({ reason }) => reason), heads.length]
  }

  test('is refused as that also when its attempts are used up: nobody knows whether it ran', () => {
    expect(letterOf({ kind: 'run', message: {} as Message })).toEqual([['MESSAGE_PAST_HORIZON'], 0])
    expect(letterOf({ kind: 'dead', reason: 'CONSUMER_DIED', error: null })).toEqual([['MESSAGE_PAST_HORIZON'], 0])
    expect(letterOf({ kind: 'dead', reason: 'HANDLER_FAILED', error: null })).toEqual([['HANDLER_FAILED'], 1])
  })
})

describe('the care after a crash', () => {
  test('lasts for a batch of records, and without offsets for its time as well', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), fc.array(fc.nat(60), { maxLength: 60 }), (batch, steps) => {
        const caution = new Caution()
        const careful = carefulFrom(1000, batch, ['a', 'b', 'a'])
        expect([...careful.accused]).toEqual(['a', 'b'])
        caution.begin('here', careful)
        let done = 0
        for (const step of steps) {
          const before = caution.of('here')
          expect(before !== null && isCareful(before, 0, true, 1e9)).toBe(done < batch)
          if (before === null) break
          expect(isCareful(before, 1e9, false, careful.untilMs - 1)).toBe(true)
          expect(isCareful(before, 1e9, false, careful.untilMs)).toBe(false)
          done += step
          expect(caution.passed('here', step, true, 1e9)).toBe(done >= batch)
          expect(caution.of('elsewhere')).toBeNull()
          expect(caution.passed('elsewhere', step, true, 1e9)).toBe(false)
        }
      }),
    )
  })

  test('handles one message at a time, also after one that failed', async () => {
    const caution = new Caution()
    let running = 0
    const turn = (fails: boolean) =>
      caution.turn(async () => {
        expect(++running).toBe(1)
        await new Promise((resolve) => setImmediate(resolve))
        running--
        if (fails) throw new Error('failed')
      })
    const ends = await Promise.allSettled([turn(false), turn(true), turn(false)])
    expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  })
})
