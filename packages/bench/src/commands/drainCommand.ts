import { type Command, Option } from 'commander'
import { type DrainArm, drain, drainArms, summarize, usualArms } from '../drain.js'
import { count, namesOf, progress } from './arguments.js'

interface DrainFlags {
  readonly messages: number
  readonly rounds: number
  readonly arms?: DrainArm[]
  readonly json?: true
}

/** `drain [--messages N] [--rounds N] [--arms NAMES] [--json]`. The names in its JSON are a contract. */
export function addDrain(program: Command): void {
  const known = Object.keys(drainArms) as DrainArm[]
  program
    .command('drain')
    .description(
      'How fast a backlog leaves Postgres for Kafka; every arm is a process of its own, in turn with the others.',
    )
    .option('--messages <n>', 'messages of 200 bytes in the backlog', count, 200_000)
    .option('--rounds <n>', 'how often each arm runs', count, 3)
    .addOption(
      new Option('--arms <names>', 'comma-separated; all but onceboxMetrics without it').argParser(namesOf(known)),
    )
    .option('--json', 'one JSON object on standard output: messages a second by arm, cpuUsPerMessage, rssMb, spread')
    .action(async ({ messages, rounds, arms = usualArms, json }: DrainFlags) => {
      const result = await drain({ messages, rounds, arms, progress })
      process.stdout.write(`${JSON.stringify(summarize(result), null, json === true ? 0 : 2)}\n`)
      if (result.failures.length > 0) process.exitCode = 1
    })
}
