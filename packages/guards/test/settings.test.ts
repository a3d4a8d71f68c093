import { segmentIds, withFallback } from '@oncebox/guards'
import { expect, test } from 'vitest'

const ids = { next: () => '019b7000-0000-7000-8000-000000000001' }
const db = { query: async () => ({ rows: [] }) }

test.each<[string, () => unknown]>([
  ['segmentIds: no settings', () => segmentIds(undefined as never)],
  ['segmentIds: no database', () => segmentIds({} as never)],
  ['segmentIds: a timeout that no timer can hold', () => segmentIds({ db, timeoutMs: 2 ** 31 })],
  ['segmentIds: randomness that is no function', () => segmentIds({ db, random: 1 as never })],
  ['withFallback: a source that is none', () => withFallback(ids, undefined as never)],
  ['withFallback: null for settings', () => withFallback(ids, ids, null as never)],
  ['withFallback: an onEvent that is no function', () => withFallback(ids, ids, { onEvent: true as never })],
])('%s is refused', (_, make) => {
  expect(make).toThrow(expect.objectContaining({ code: 'INVALID_SETTING' }))
})
