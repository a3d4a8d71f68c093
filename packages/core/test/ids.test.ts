import { isUuid, isUuidV7, localIds, uuidV7Time } from '@oncebox/core'
import { describe, expect, it, vi } from 'vitest'

describe('ids', () => {
  it('are UUIDv7 of the present', () => {
    const before = Date.now()
    const id = localIds.next()
    expect(isUuidV7(id)).toBe(true)
    expect(uuidV7Time(id)).toBeGreaterThanOrEqual(before)
    expect(uuidV7Time(id)).toBeLessThanOrEqual(Date.now())
  })

  it('rise within the process, also many within one millisecond and when the clock steps back', () => {
    const ids = Array.from({ length: 20_000 }, () => localIds.next())
    const clock = vi.spyOn(Date, 'now').mockReturnValue(Date.now() - 3_600_000)
    try {
      ids.push(...Array.from({ length: 1_000 }, () => localIds.next()))
    } finally {
      clock.mockRestore()
    }
    expect(new Set(ids.map(uuidV7Time)).size).toBeLessThan(ids.length)
    expect(ids).toEqual([...ids].sort())
    expect(new Set(ids).size).toBe(ids.length)
  })

  it('share no random bytes, and one resumed in a later millisecond draws new ones', () => {
    const clock = vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 1_000)
    const random = vi.spyOn(globalThis.crypto, 'getRandomValues')
    try {
      // The last 48 bits hold nothing but random bytes.
      const tails = new Set(Array.from({ length: 500 }, () => localIds.next().slice(-12)))
      expect(tails.size).toBe(500)
      expect(random.mock.calls.length).toBeLessThan(20)
      random.mockClear()
      clock.mockReturnValue(Date.now() + 1)
      localIds.next()
      expect(random).toHaveBeenCalledOnce()
    } finally {
      clock.mockRestore()
      random.mockRestore()
    }
  })

  it('carry the time they are given', () => {
    const due = Date.UTC(2027, 0, 1, 12)
    const ids = Array.from({ length: 100 }, () => localIds.next(due))
    expect(ids.every((id) => isUuidV7(id) && uuidV7Time(id) === due)).toBe(true)
    expect(new Set(ids).size).toBe(100)
  })

  it('are told apart by form: any UUID that Postgres takes, and version 7 with its variant', () => {
    const md5 = '0cc175b9-c0f1-b6a8-31c3-99e269772661'
    expect(isUuid(md5)).toBe(true)
    expect(isUuidV7(md5)).toBe(false)
    expect(isUuid(localIds.next().toUpperCase())).toBe(true)
    expect(isUuidV7('0193F2A0-0000-7000-8000-000000000001')).toBe(true)
    expect(isUuidV7('0193f2a0-0000-7000-c000-000000000001')).toBe(false)
    for (const text of ['', 'a', `${md5} `, md5.replaceAll('-', ''), `{${md5}}`, `${md5}\n`]) {
      expect(isUuid(text)).toBe(false)
      expect(isUuidV7(text)).toBe(false)
    }
  })
})
