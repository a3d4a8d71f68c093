import type { ErrorCode } from '@oncebox/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { KeyFilter, keyMark } from '../dist/keyFilter.js'
import { ParkedGroups, type ParkedScope } from '../dist/parkedGroups.js'

const code: ErrorCode = 'RECORD_REFUSED'
const name = fc.constantFrom('a', 'b', 'ab', '')
const partition = fc.constantFrom(0, 1)
const scopes: fc.Arbitrary<ParkedScope> = fc.oneof(
  fc.record({ kind: fc.constant('topic' as const), topic: fc.constantFrom('t', 'u') }),
  fc.record({ kind: fc.constant('partition' as const), topic: fc.constant('t'), partition }),
  fc.record({ kind: fc.constant('key' as const), topic: fc.constantFrom('t', 'u'), key: name }),
  fc.record({ kind: fc.constant('keyless' as const), topic: fc.constant('t') }),
)

function message(topic: string, key: string | null, at: number | null) {
  const bytes = Buffer.from(key ?? '')
  return { topic, keyText: key, keyMark: key === null ? 0 : keyMark(bytes, 0, bytes.length), partition: at }
}

describe('what is on the side track', () => {
  test('covers exactly the messages of its topics, partitions and keys, whatever came and went', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), scopes), { maxLength: 20 }), (steps) => {
        const groups = new ParkedGroups()
        const model = new Map<string, ParkedScope>()
        for (const [added, scope] of steps) {
          const id = JSON.stringify(scope)
          if (added) {
            expect(groups.add(scope, code, 0)).toBe(!model.has(id))
            model.set(id, scope)
          } else {
            groups.remove(scope)
            model.delete(id)
          }
        }
        expect(groups.size).toBe(model.size)
        for (const topic of ['t', 'u', 'v']) {
          for (const key of ['a', 'b', 'ab', 'ba', '', null]) {
            for (const at of [0, 1, null]) {
              const covered = [...model.values()].some(
                (scope) =>
                  scope.topic === topic &&
                  (scope.kind === 'topic' ||
                    (scope.kind === 'partition' && scope.partition === at) ||
                    (scope.kind === 'key' && scope.key === key)),
              )
              expect(groups.covers(message(topic, key, at))).toBe(covered)
            }
          }
        }
      }),
    )
  })

  test('is due in the order of its times, a topic before its keys, and postponed when its time is', () => {
    const groups = new ParkedGroups()
    groups.add({ kind: 'key', topic: 't', key: 'a' }, code, 20)
    groups.add({ kind: 'key', topic: 't', key: 'b' }, code, 10)
    groups.add({ kind: 'topic', topic: 'u' }, code, 20)
    expect(groups.nextRetryAt()).toBe(10)
    expect(groups.due(9)).toBeUndefined()
    const first = groups.due(10)
    expect(first?.scope).toEqual({ kind: 'key', topic: 't', key: 'b' })
    if (first !== undefined) first.retryAt = 30
    expect(groups.due(10)).toBeUndefined()
    expect(groups.nextRetryAt()).toBe(20)
    expect(groups.due(20)?.scope).toEqual({ kind: 'topic', topic: 'u' })
  })

  test('stays due until it is postponed, paused or gone, and then the next one is', () => {
    const groups = new ParkedGroups()
    for (const topic of ['t', 'u', 'v']) groups.add({ kind: 'topic', topic }, code, 0)
    const first = groups.due(1)
    expect(first?.scope.topic).toBe('t')
    expect(groups.due(1)).toBe(first)
    groups.pause('t')
    expect(groups.due(1)?.scope.topic).toBe('u')
    groups.remove({ kind: 'topic', topic: 'u' })
    expect(groups.due(1)?.scope.topic).toBe('v')
    groups.resume('t', 1)
    groups.remove({ kind: 'topic', topic: 'v' })
    expect(groups.due(1)).toBe(first)
  })

  test('of many that are due each is looked at a few times, and not for every one of the others', () => {
    const groups = new ParkedGroups()
    let looks = 0
    const count = 1_000
    for (let number = 0; number < count; number++) {
      const scope = { kind: 'key' as const, key: String(number), topic: 't' }
      const look = () => {
        looks++
        return 't'
      }
      Object.defineProperty(scope, 'topic', { get: look })
      groups.add(scope, code, 0)
    }
    for (let number = 0; number < count; number++) {
      const due = groups.due(1)
      if (due !== undefined) due.retryAt = 2
    }
    expect(groups.due(1)).toBeUndefined()
    expect(looks).toBeLessThan(20 * count)
  })
})

test('a filter of keys lets every key pass that was added and not removed', () => {
  fc.assert(
    fc.property(fc.array(fc.string()), fc.array(fc.string()), (kept, gone) => {
      const filter = new KeyFilter()
      for (const key of [...kept, ...gone]) filter.add(key)
      for (const key of gone) filter.remove(key)
      for (const key of kept) {
        const bytes = Buffer.from(`before${key}behind`)
        expect(filter.mayHold(keyMark(bytes, 6, bytes.length - 6))).toBe(true)
      }
    }),
  )
})
