import { type Command, Option } from 'commander'
import { type GuardArm, guardArms } from '../guardArms.js'
import { guardBase, guards, summarizeGuards } from '../guards.js'
import { count, namesOf, progress } from './arguments.js'

interface GuardsFlags {
  readonly messages: number
  readonly batch: number
  readonly rounds: number
  readonly arms?: GuardArm[]
  readonly json?: true
}

/** `guards [--messages N] [--batch N] [--rounds N] [--arms NAMES] [--json]`. */
export function addGuards(program: Command): void {
  const known = Object.keys(guardArms) as GuardArm[]
  program
    .command('guards')
    .description('What each guard costs a handler: transactions with the inbox id and one INSERT = 1.00.')
    .option('--messages <n>', 'messages of a run', count, 2_000)
    .option('--batch <n>', 'messages a transaction, at most', count, 1)
    .option('--rounds <n>', 'how often each arm runs', count, 7)
    .addOption(new Option('--arms <names>', 'comma-separated; all without it').argParser(namesOf(known)))
    .option(
      '--json',
      'one JSON object on standard output: ratio, cpuRatio, their spreads, perSecond, cpuUs, postgresCpuUs by arm',
    )
    .action(async ({ messages, batch, rounds, arms = known, json }: GuardsFlags) => {
      // Without the base there would be no ratio.
      const wanted = known.filter((arm) => arm === guardBase || arms.includes(arm))
      const result = await guards({ messages, batch, rounds, arms: wanted, progress })
      process.stdout.write(`${JSON.stringify(summarizeGuards(result), null, json === true ? 0 : 2)}\n`)
      if (result.failures.length > 0) process.exitCode = 1
    })
}
