import { errorCodes, isOnceboxError, OnceboxError, quoteIdentifier, silentLogger, systemClock } from '@oncebox/core'
import { describe, expect, it } from 'vitest'

const refused = (action: () => unknown) => {
  try {
    action()
    return false
  } catch (error) {
    return isOnceboxError(error, 'INVALID_SETTING')
  }
}

describe('identifiers', () => {
  it('are quoted, with quotes inside them doubled', () => {
    expect(quoteIdentifier('oncebox')).toBe('"oncebox"')
    expect(quoteIdentifier('a"b; drop table x --')).toBe('"a""b; drop table x --"')
  })

  it('are refused where Postgres would cut or cannot hold them', () => {
    expect(refused(() => quoteIdentifier(''))).toBe(true)
    expect(refused(() => quoteIdentifier('a\0b'))).toBe(true)
    expect(refused(() => quoteIdentifier('\ud800'))).toBe(true)
    expect(refused(() => quoteIdentifier('ä'.repeat(32)))).toBe(true)
    expect(refused(() => quoteIdentifier('ä'.repeat(31)))).toBe(false)
  })
})

describe('errors', () => {
  it('say what happened and what to do, and carry code, retryable and cause', () => {
    const cause = new Error('socket')
    const error = new OnceboxError('DATABASE_UNREACHABLE', 'The database is gone', { next: 'Start it.', cause })
    expect(error).toMatchObject({ code: 'DATABASE_UNREACHABLE', retryable: true, cause, next: 'Start it.' })
    expect(error.message).toBe('The database is gone. Start it.')
    expect(new OnceboxError('LEASE_LOST', 'Gone').message).toBe('Gone')
  })

  it('are recognized by name and code, also those of another copy of the package', () => {
    const foreign = Object.assign(new Error('x'), { name: 'OnceboxError', code: 'LEASE_LOST' })
    expect(isOnceboxError(foreign)).toBe(true)
    expect(isOnceboxError(foreign, 'LEASE_LOST')).toBe(true)
    expect(isOnceboxError(foreign, 'TOPIC_MISSING')).toBe(false)
    expect(isOnceboxError(new Error('x'))).toBe(false)
    expect(isOnceboxError('LEASE_LOST')).toBe(false)
  })

  it('have codes in capitals', () => {
    for (const code of Object.keys(errorCodes)) expect(code).toMatch(/^[A-Z]+(_[A-Z]+)*$/)
  })
})

describe('the clock', () => {
  it('wakes up at once when its signal aborts, or has', async () => {
    const aborted = new AbortController()
    const sleep = systemClock.sleep(600_000, aborted.signal)
    aborted.abort()
    await sleep
    await systemClock.sleep(600_000, aborted.signal)
  })

  it('does not take a sleep longer than a timer can hold for none', async () => {
    const aborted = new AbortController()
    let woke = false
    const sleep = systemClock.sleep(2 ** 40, aborted.signal).then(() => {
      woke = true
    })
    // A timer that cannot hold its time fires after 1 ms, and so before one that is set later and longer.
    await systemClock.sleep(2)
    expect(woke).toBe(false)
    aborted.abort()
    await sleep
  })

  it('tells milliseconds since the epoch', () => {
    expect(Math.abs(systemClock.now() - Date.now())).toBeLessThan(1_000)
  })
})

it('the silent logger takes every level', () => {
  for (const level of ['debug', 'info', 'warn', 'error'] as const) silentLogger[level]({}, 'x')
})
