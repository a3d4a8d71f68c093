import { expect, test } from 'vitest'
import { guardArms } from '../dist/guardArms.js'
import { guards, summarizeGuards } from '../dist/guards.js'

test('guards: every message does what it should to its row, and every guard has its ratio to the plain transaction', async () => {
  const arms = Object.keys(guardArms) as (keyof typeof guardArms)[]
  const result = await guards({ messages: 60, batch: 7, rounds: 1, arms, progress: () => undefined })
  expect(result.failures).toEqual([])
  const { ratio, ratioSpread, perSecond, cpuUs } = summarizeGuards(result) as Record<string, Record<string, unknown>>
  for (const figures of [ratio, ratioSpread, perSecond, cpuUs]) expect(Object.keys(figures ?? {})).toEqual(arms)
  expect(ratio?.inboxId).toBe(1)
  for (const arm of arms) expect(perSecond?.[arm]).toBeGreaterThan(0)
}, 180_000)

test('guards: ratios are of the same round, and a round that failed has none', () => {
  const samples = {
    inboxId: [
      { perSecond: 1_000, bothCpuUs: 800 },
      { perSecond: 500, bothCpuUs: 1_000 },
      { perSecond: 800, bothCpuUs: 900 },
    ],
    upsert: [{ perSecond: 900, bothCpuUs: 1_000 }, { perSecond: 400, bothCpuUs: Number.NaN }, null],
  }
  const settings = { messages: 3, batch: 1 }
  expect(summarizeGuards({ suite: 'guards', at: '', settings, samples, failures: [], skipped: {} })).toEqual({
    messages: 3,
    batch: 1,
    ratio: { inboxId: 1, upsert: 0.85 },
    ratioSpread: { inboxId: [1, 1], upsert: [0.8, 0.9] },
    cpuRatio: { inboxId: 1, upsert: 1.25 },
    cpuRatioSpread: { inboxId: [1, 1], upsert: [1.25, 1.25] },
    perSecond: { inboxId: 800, upsert: 650 },
    cpuUs: {},
    postgresCpuUs: {},
    failures: [],
  })
})
