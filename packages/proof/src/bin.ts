#!/usr/bin/env node
import { Command } from 'commander'
import type { Part } from './partReport.js'
import { printReport } from './printReport.js'
import { simulation } from './simulation/simulation.js'

/** The parts of a full run, by the name that the command line calls them, in the order in which they run. */
const parts: Readonly<Record<string, Part>> = { simulation }

const program = new Command('proof')
  .description('Proves the guarantees on servers of its own: exit code 1 when anything did not hold.')
  .argument('[parts...]', `which ones: ${Object.keys(parts).join(', ')}; all of them by default`)
  .option('--seed <number>', 'everything at random follows from it', Number, Date.now() % 1_000_000)
  .option('--json', 'the report as JSON on standard output')
  .action(async (names: string[], { seed, json }: { seed: number; json?: true }) => {
    const unknown = names.filter((name) => !Object.hasOwn(parts, name))
    if (unknown.length > 0) program.error(`no such part: ${unknown.join(', ')}`, { exitCode: 2 })
    const progress = (line: string): void => void process.stderr.write(`proof: ${line}\n`)
    progress(`seed ${seed}`)
    const reports = []
    for (const name of names.length > 0 ? names : Object.keys(parts)) {
      reports.push(await (parts[name] as Part)({ seed, extent: 'full', progress }))
    }
    process.stdout.write(`${json ? JSON.stringify({ seed, parts: reports }) : printReport(reports)}\n`)
    process.exitCode = reports.some(({ problems }) => problems.length > 0) ? 1 : 0
  })
// An exit, unlike a signal's own end, ends the children as well; the servers end with this process in any case.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
await program.parseAsync()
process.exit(process.exitCode ?? 0)
