import { kafkaMissing } from '@oncebox/testkit/harness'
import { describe, expect, test } from 'vitest'
import { drain, summarize } from '../dist/drain.js'
import { median } from '../dist/statistics.js'

test('the median of an odd and of an even number of values', () => {
  expect(median([3, 1, 2])).toBe(2)
  expect(median([4, 1, 2, 3])).toBe(2.5)
  expect(() => median([])).toThrow('a median of nothing')
})

describe.skipIf(await kafkaMissing())('drain', () => {
  test('every arm moves every message, which the topic confirms, and the summary holds the promised names', async () => {
    const arms = ['oncebox', 'onceboxKafkajs', 'rawRead', 'rawProduce', 'kafkajsProduce', 'naiveRelay'] as const
    const runs = await drain({ messages: 3_000, rounds: 1, arms, progress: () => undefined })
    const summary = summarize(runs)
    expect(Object.keys(summary)).toEqual([...arms, 'cpuUsPerMessage', 'rssMb', 'spread'])
    for (const arm of arms) expect(summary[arm]).toBeGreaterThan(0)
    expect(Object.keys(summary.cpuUsPerMessage as object)).toEqual([...arms])
  }, 120_000)
})
