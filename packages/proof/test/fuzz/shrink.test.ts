import { type FuzzTarget, fuzz, shrink } from '@oncebox/proof'
import { expect, test } from 'vitest'

test('of many throws those are left that a problem needs, as small as they go', async () => {
  const throws = Array.from({ length: 100 }, (_, index) => index / 100)
  const breaks = async (some: readonly number[]) => some.includes(0.5) && some.length >= 3
  const smallest = await shrink(throws, breaks)
  expect(smallest).toHaveLength(3)
  expect(smallest.filter((thrown) => thrown !== 0)).toEqual([0.5])
})

/** Takes lists of numbers, and breaks its promise for those with a number from 7 up. */
const target: FuzzTarget = {
  name: 'lists',
  cases: { full: 200, slice: 200 },
  atOnce: 10,
  open: async () => ({
    make: (dice) => Array.from({ length: dice.below(20) }, () => dice.below(10)),
    tryAll: async (cases) =>
      cases.map((list) => ((list as number[]).some((one) => one >= 7) ? { broken: 'a large number' } : 'taken')),
    [Symbol.asyncDispose]: async () => undefined,
  }),
}

test('a promise that is broken is told once, with the case as small as it goes and what replays it', async () => {
  const run = (seed: number) =>
    fuzz(
      { chosen: [target], createDatabase: () => Promise.reject(new Error('not asked for')) },
      { seed, extent: 'slice', progress: () => undefined },
    )
  const { problems } = await run(7)
  expect(problems).toHaveLength(1)
  expect(problems[0]).toMatch(/^lists, seed 7, case \d+: a large number\nsmallest: \[ [789] \]$/)
  expect((await run(7)).problems).toEqual(problems)
})
