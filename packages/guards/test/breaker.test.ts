import type { IdSource, Logger } from '@oncebox/core'
import { type FallbackEvent, type FallbackOptions, withFallback } from '@oncebox/guards'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { afterFailure, afterSuccess, type Breaker, breakerState, closedBreaker } from '../dist/breaker.js'

const limits = { failures: 3, restMs: 1_000 }

describe('the breaker', () => {
  test('opens after failures in a row, rests, lets one call try, and closes when that succeeds', () => {
    let breaker: Breaker = closedBreaker
    for (const [failedAt, state] of [
      [1, 'closed'],
      [2, 'closed'],
      [3, 'open'],
    ] as const) {
      breaker = afterFailure(breaker, failedAt, limits)
      expect(breakerState(breaker, failedAt, limits)).toBe(state)
    }
    expect(breakerState(breaker, 1_002, limits)).toBe('open')
    expect(breakerState(breaker, 1_003, limits)).toBe('halfOpen')
    breaker = afterFailure(breaker, 1_003, limits)
    expect(breakerState(breaker, 2_002, limits)).toBe('open')
    expect(breaker).toMatchObject({ sinceMs: 3 })
    expect(breakerState(afterSuccess(), 2_003, limits)).toBe('closed')
  })

  test('whatever happens, and however the clock jumps, it asks again within its rest', () => {
    const steps = fc.array(fc.record({ ok: fc.boolean(), stepMs: fc.integer({ min: -5_000, max: 5_000 }) }))
    fc.assert(
      fc.property(steps, (history) => {
        let now = 1_000_000
        let breaker: Breaker = closedBreaker
        let row = 0
        for (const { ok, stepMs } of history) {
          now += stepMs
          if (breakerState(breaker, now, limits) === 'open') continue
          breaker = ok ? afterSuccess() : afterFailure(breaker, now, limits)
          row = ok ? 0 : row + 1
          expect(breakerState(breaker, now, limits)).toBe(row >= limits.failures ? 'open' : 'closed')
        }
        expect(breakerState(breaker, now + limits.restMs, limits)).not.toBe('open')
      }),
    )
  })
})

/** A primary that the test stops and starts, a clock it turns, and everything that was said. */
function ground(options: FallbackOptions = {}) {
  const said: string[] = []
  const events: FallbackEvent[] = []
  const log = (level: string) => (fields: object, text: string) =>
    void said.push(`${level} ${text} ${JSON.stringify(fields)}`)
  const logger: Logger = { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') }
  const state = { now: 0, up: true, asked: 0, number: 0 }
  const id = (kind: string): string => `${String(++state.number).padStart(6, '0')} ${kind}`
  const primary: IdSource = {
    next(unixMs) {
      state.asked++
      if (!state.up) throw Object.assign(new Error('secret text'), { code: 'ECONNREFUSED' })
      return id(unixMs === undefined ? 'primary' : `primary ${unixMs}`)
    },
  }
  const local: IdSource = { next: (unixMs) => id(unixMs === undefined ? 'local' : `local ${unixMs}`) }
  const ids = withFallback(primary, local, {
    clock: { now: () => state.now },
    logger,
    onEvent: (event) => events.push(event),
    ...options,
  })
  return { ids, state, said, events }
}

describe('withFallback', () => {
  test('gives a local id in the very call in which the primary fails: it answers with a text, not with a promise', () => {
    const { ids, state } = ground()
    expect(ids.next()).toBe('000001 primary')
    state.up = false
    expect(ids.next()).toBe('000002 local')
    expect(ids.next(7)).toBe('000003 local 7')
  })

  test('leaves the primary alone while open, tries it by one call after the rest, and returns by itself', () => {
    const { ids, state, said, events } = ground()
    state.up = false
    for (let call = 0; call < 100; call++) ids.next()
    expect({ asked: state.asked, state: ids.state }).toEqual({ asked: 3, state: 'open' })
    state.now = 1_000
    expect(ids.state).toBe('halfOpen')
    for (let call = 0; call < 100; call++) ids.next()
    expect({ asked: state.asked, state: ids.state }).toEqual({ asked: 4, state: 'open' })
    state.up = true
    state.now = 2_000
    expect(ids.next()).toContain('primary')
    expect(ids.state).toBe('closed')
    expect(ids.counters).toEqual({ primaryIds: 1, fallbackIds: 200, degradations: 1 })
    expect(events).toMatchObject([
      { type: 'degraded' },
      { type: 'recovered', degradedMs: 2_000, fallbackIds: 200 - 3 + 1 },
    ])
    expect(said).toEqual([
      'warn the id service gives no ids: they are made locally {"error":"ECONNREFUSED"}',
      'info the id service gives ids again {"degradedMs":2000,"fallbackIds":198}',
    ])
  })

  test('a single failure is neither said nor counted as an outage', () => {
    const { ids, state, said, events } = ground()
    state.up = false
    ids.next()
    state.up = true
    ids.next()
    expect({ said, events, state: ids.state, counters: ids.counters }).toEqual({
      said: [],
      events: [],
      state: 'closed',
      counters: { primaryIds: 1, fallbackIds: 1, degradations: 0 },
    })
  })

  test('an onEvent that throws fails no producer', () => {
    const { ids, state, said } = ground({
      failures: 1,
      onEvent() {
        throw new TypeError('secret text')
      },
    })
    state.up = false
    expect(ids.next()).toContain('local')
    expect(said.at(-1)).toBe('error onEvent threw {"event":"degraded","error":"TypeError"}')
  })

  test('an id of the primary that would sort before the last one is left out', () => {
    const { ids, state } = ground()
    ids.next()
    const last = ids.next()
    state.number = 0
    const next = ids.next()
    expect(next).toContain('local')
    expect(last).toContain('primary')
  })
})
