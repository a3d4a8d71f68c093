import { fuzz, fuzzTargets } from '@oncebox/proof'
import { testDatabase } from '@oncebox/testkit/harness'
import { expect, onTestFinished, test } from 'vitest'

test.each(fuzzTargets)(
  'junk at $name is taken, or refused with a code and without a trace',
  async (target) => {
    const createDatabase = async (): Promise<string> => {
      const { url, drop } = await testDatabase()
      onTestFinished(drop)
      return url
    }
    const options = { seed: 1, extent: 'slice', progress: () => undefined } as const
    const { problems, figures } = await fuzz({ chosen: [target], createDatabase }, options)
    expect(problems).toEqual([])
    expect(figures.refused).toBeGreaterThan(target.cases.slice / 20)
  },
  60_000,
)
