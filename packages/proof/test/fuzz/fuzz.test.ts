import { expect, test } from 'vitest'
import { fuzz } from '../../src/fuzz/fuzz.js'

test('junk at emit and on the wire ends as an error with a code, or as a message', async () => {
  const { problems, figures } = await fuzz({ seed: 1, extent: 'slice', times: 1, progress: () => undefined })
  expect(problems).toEqual([])
  expect(figures.refused).toBeGreaterThan(1_000)
}, 60_000)
