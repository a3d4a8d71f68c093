import { consumerReadiness, operations, relayReadiness } from '@oncebox/ops'
import { expect, test } from 'vitest'

test.each<[string, () => unknown]>([
  ['operations: no settings', () => operations(undefined as never)],
  ['operations: a check that is none', () => operations({ ready: [{ name: 'x' } as never] })],
  ['operations: metrics that cannot be read', () => operations({ metrics: {} as never })],
  ['operations: a deadline in words', () => operations({ deadlineMs: '5' as never })],
  ['relayReadiness: lanes that are one', () => relayReadiness({ lanes: 0 as never })],
  ['consumerReadiness: a time that is none', () => consumerReadiness({ pausedMs: Number.NaN })],
])('%s is refused', (_, make) => {
  expect(make).toThrow(expect.objectContaining({ code: 'INVALID_SETTING' }))
})
