#!/usr/bin/env node
import { Command, InvalidArgumentError, Option } from 'commander'
import { type DrainArm, drain, drainArms, summarize } from './drain.js'

function count(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError('a whole number of at least 1 is wanted')
  return value
}

const program = new Command('bench').description('Measures oncebox beside its limits and the usual ways, in one run.')

program
  .command('drain')
  .description(
    'How fast a backlog leaves Postgres for Kafka; every arm is a process of its own, in turn with the others.',
  )
  .option('--messages <n>', 'messages of 200 bytes in the backlog', count, 200_000)
  .option('--rounds <n>', 'how often each arm runs', count, 3)
  .addOption(
    new Option('--arms <names>', 'comma-separated; all without it').argParser((text) => {
      const names = text.split(',')
      const unknown = names.find((name) => !Object.hasOwn(drainArms, name))
      if (unknown !== undefined) throw new InvalidArgumentError(`there is no arm ${unknown}`)
      return names as DrainArm[]
    }),
  )
  .option('--json', 'one JSON object on standard output: messages a second by arm, cpuUsPerMessage, rssMb, spread')
  .action(async (options: { messages: number; rounds: number; arms?: DrainArm[]; json?: true }) => {
    const progress = (line: string) => process.stderr.write(`bench: ${line}\n`)
    const arms = options.arms ?? (Object.keys(drainArms) as DrainArm[])
    const summary = summarize(await drain({ messages: options.messages, rounds: options.rounds, arms, progress }))
    process.stdout.write(`${JSON.stringify(summary, null, options.json === true ? 0 : 2)}\n`)
  })

await program.parseAsync()
process.exit(process.exitCode ?? 0)
