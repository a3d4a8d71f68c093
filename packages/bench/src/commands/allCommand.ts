import { join } from 'node:path'
import { type Command, Option } from 'commander'
import { docsDirectory, readResults, scratchDirectory, withSuite, writeReport } from '../report/page.js'
import { full, quick, type SuiteName, suiteNames, suites } from '../suites.js'
import { count, namesOf, progress } from './arguments.js'

interface AllFlags {
  readonly quick?: true
  readonly only?: SuiteName[]
  readonly rounds?: number
  readonly messages?: number
  readonly huge?: number
}

/** `all [--quick] [--only NAMES] [--rounds N] [--messages N] [--huge N]`, and no subcommand at all; `report [--quick]`. */
export function addAll(program: Command): void {
  program
    .command('all', { isDefault: true })
    .description(
      'Runs every subcommand and writes docs/benchmarks.md and docs/benchmarks.svg, anew after each of them.',
    )
    .option('--quick', 'small sizes, few rounds; writes into .cache/bench/ instead')
    .addOption(
      new Option('--only <names>', 'these only; the rest stays as measured before').argParser(namesOf(suiteNames)),
    )
    .option('--rounds <n>', 'how often each arm runs', count)
    .option('--messages <n>', 'messages of a drain, of the peers and of consuming', count)
    .option('--huge <n>', 'scale: a backlog of so many messages too, such as 10000000', count)
    .action(all)
  program
    .command('report')
    .description('Writes page and picture again from the results that are kept in .cache/bench/.')
    .option('--quick', 'those of the last quick run')
    .action(async (flags: AllFlags) => {
      const { file, directory } = place(flags)
      await writeReport(await readResults(file), file, directory)
    })
}

/** A subcommand that fails as a whole costs its own figures only; the page is written after each that does not. */
async function all(flags: AllFlags): Promise<void> {
  const { only = suiteNames, rounds, messages, huge } = flags
  const { file, directory } = place(flags)
  const extent = {
    ...(flags.quick === true ? quick : full),
    ...(rounds === undefined ? {} : { rounds, latencyRounds: rounds }),
    ...(messages === undefined ? {} : { messages }),
    ...(huge === undefined ? {} : { scaleHuge: huge }),
  }
  let results = await readResults(file)
  for (const name of only) {
    try {
      const result = await suites[name](extent, (line) => progress(`${name}: ${line}`))
      results = withSuite(results, result)
      await writeReport(results, file, directory)
      if (result.failures.length > 0) process.exitCode = 1
    } catch (error) {
      process.exitCode = 1
      progress(`${name} FAILED as a whole: ${error instanceof Error ? error.stack : error}`)
    }
  }
  progress(`written: ${join(directory, 'benchmarks.md')} and benchmarks.svg; raw results: ${file}`)
}

function place({ quick: isQuick }: AllFlags): { readonly file: string; readonly directory: string } {
  return isQuick === true
    ? { file: join(scratchDirectory, 'results-quick.json'), directory: scratchDirectory }
    : { file: join(scratchDirectory, 'results.json'), directory: docsDirectory }
}
