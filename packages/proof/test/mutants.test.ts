import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Mutant, mutantRuns, mutants, repository, spoilt } from '@oncebox/proof'
import { expect, test } from 'vitest'
import { todaysSlice } from './slice.js'

const textOf = ({ file }: Mutant): string => readFileSync(join(repository, file), 'utf8')

test.each(mutants.map((mutant) => [mutant.name, mutant] as const))(
  'the mutant "%s" applies to the code as it is',
  (_, mutant) => {
    expect(spoilt(textOf(mutant), mutant)).not.toBe(textOf(mutant))
  },
)

test('a mutant whose text is not there any more is an error that names file and text', () => {
  const gone: Mutant = { ...(mutants[0] as Mutant), name: 'gone', edits: [{ find: 'nowhere()', replace: '' }] }
  expect(() => spoilt('somewhere()', gone)).toThrow(`mutant "gone": ${gone.file} has "nowhere()" 0 times`)
})

// Those that need no Kafka: it would have to be there.
const withoutKafka = mutants.filter(({ suite }) => !/\/(failover|kafka)\./.test(suite.file))

test('two of the mutants, others every day, are killed by the tests that are to kill them', {
  timeout: 240_000,
}, async () => {
  const chosen = todaysSlice(withoutKafka, 2)
  const report = await mutantRuns({ chosen, atOnce: 2 }, { progress: () => undefined })
  expect(report.problems).toEqual([])
  expect(report.killed).toHaveLength(2)
})

test('a mutant that changes nothing is found alive', { timeout: 240_000 }, async () => {
  const harmless: Mutant = {
    name: 'harmless',
    breaks: 'nothing',
    file: 'packages/relay/dist/lease.js',
    edits: [{ find: 'return this.#monotonicMs()', replace: 'return 0 + this.#monotonicMs()' }],
    suite: { file: 'packages/relay/test/pure.test.ts', tests: 'a lease ends by the local clock' },
  }
  const report = await mutantRuns({ chosen: [harmless], atOnce: 1 }, { progress: () => undefined })
  expect(report.problems).toEqual([expect.stringContaining('mutant "harmless" lives')])
})
