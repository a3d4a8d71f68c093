import { kafkaMissing } from '@oncebox/testkit/harness'
import { describe, expect, test } from 'vitest'
import { drain, summarize } from '../dist/drain.js'
import { observed, observedArms } from '../dist/observed.js'

describe.skipIf(await kafkaMissing())('drain', () => {
  test('every arm moves every message, which the topic confirms, and the summary holds the promised names', async () => {
    const arms = ['oncebox', 'onceboxKafkajs', 'rawRead', 'rawProduce', 'kafkajsProduce', 'naiveRelay'] as const
    const runs = await drain({ messages: 3_000, rounds: 1, arms, progress: () => undefined })
    const summary = summarize(runs)
    expect(Object.keys(summary)).toEqual([
      ...arms,
      ...['cpuUsPerMessage', 'postgresCpuUsPerMessage', 'kafkaCpuUsPerMessage', 'rssMb', 'spread'],
    ])
    for (const arm of arms) expect(summary[arm]).toBeGreaterThan(0)
    expect(Object.keys(summary.cpuUsPerMessage as object)).toEqual([...arms])
  }, 120_000)

  test('observed: the same relay alone, with metrics that count, and with spans that are exported', async () => {
    const { samples, failures } = await observed({ messages: 3_000, rounds: 1, progress: () => undefined })
    // An arm that counted nothing, or exported no span, has failed.
    expect(failures).toEqual([])
    expect(Object.keys(samples)).toEqual(Object.keys(observedArms))
    for (const [sample] of Object.values(samples)) expect(sample?.perSecond).toBeGreaterThan(0)
  }, 120_000)
})
