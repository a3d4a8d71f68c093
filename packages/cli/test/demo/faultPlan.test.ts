import fc from 'fast-check'
import { expect, test } from 'vitest'
import { faultPlan } from '../../dist/demo/faultPlan.js'

const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 })

test('a seed plans the same faults each time, another seed others', () => {
  fc.assert(
    fc.property(seeds, (seed) => {
      expect(faultPlan(seed)).toEqual(faultPlan(seed))
    }),
  )
  expect(faultPlan(1)).not.toEqual(faultPlan(2))
})

test('every seed kills relay and consumer at least three times each, spread over the run', () => {
  fc.assert(
    fc.property(seeds, (seed) => {
      const plan = faultPlan(seed)
      for (const kills of [plan.relayKills, plan.consumerKills]) {
        expect(kills.length).toBeGreaterThanOrEqual(3)
        const times = kills.map((kill) => kill.at)
        expect(times).toEqual([...times].sort((a, b) => a - b))
        expect(times[0]).toBeGreaterThan(0)
        expect(times.at(-1)).toBeLessThan(0.9)
        expect((times.at(-1) as number) - (times[0] as number)).toBeGreaterThan(0.2)
      }
      expect(plan.rollbackShare).toBeGreaterThan(0)
      expect(plan.lostAckShare).toBeGreaterThan(0)
    }),
  )
})
