import { printReport } from '@oncebox/proof'
import { expect, test } from 'vitest'

test('a report names what was done and what did not hold, and ends with the sum', () => {
  const crashes = { part: 'crashes', figures: { 'processes killed': 1_200 }, problems: [], seconds: 61.2 }
  expect(printReport([crashes])).toBe('✓ crashes (61 s)\n  processes killed             1,200\n\nEverything held.')
  const mutants = { part: 'mutants', figures: {}, problems: ['mutant "x" lives'], seconds: 3 }
  expect(printReport([crashes, mutants])).toContain('✗ mutants (3 s)\n  ✗ mutant "x" lives\n\n1 problem found.')
})
