import { describe, expect, it } from 'vitest'
import { clampOffset } from '../src/positions.js'

const range = { low: 5n, high: 10n }

describe('a stored offset', () => {
  it.each(['5', '7', '10'])('within the partition is sought (%s)', (offset) => {
    expect(clampOffset(offset, range)).toEqual({ offset })
  })

  it('beyond the end is ignored', () => {
    expect(clampOffset('11', range)).toMatchObject({ note: expect.stringContaining('beyond the end') })
    expect(clampOffset('11', range).offset).toBeUndefined()
  })

  it('below the first record that is left moves up to it', () => {
    expect(clampOffset('4', range)).toMatchObject({ offset: '5', note: expect.stringContaining('deleted') })
  })

  it('of a partition that is gone is ignored', () => {
    expect(clampOffset('1', undefined).offset).toBeUndefined()
  })

  it('of more than 53 bits keeps its value', () => {
    const offset = '9007199254740993'
    expect(clampOffset(offset, { low: 0n, high: 9007199254740994n })).toEqual({ offset })
  })
})
