#!/usr/bin/env node
import { writeFile } from 'node:fs/promises'
import { Command } from 'commander'
import { allParts } from './allParts.js'
import { printReport } from './printReport.js'
import { drawSoak } from './soak/drawSoak.js'
import { soak } from './soak/soak.js'

const progress = (line: string): void => void process.stderr.write(`proof: ${line}\n`)
const names = Object.keys(allParts)

interface Choice {
  readonly seed: number
  readonly times: number
  readonly allowUnreachable?: true
  readonly json?: true
}

const program = new Command('proof')
  .enablePositionalOptions()
  .description('Proves the guarantees on servers of its own: exit code 1 when anything did not hold.')
  .argument('[parts...]', `which ones: ${names.join(', ')}; all of them by default`)
  .option('--seed <number>', 'everything at random follows from it', Number, Date.now() % 1_000_000)
  .option('--times <number>', 'crashes at each crash point', Number, 20)
  .option('--allow-unreachable', 'faults that this machine does not allow (a full disk) do not fail the run')
  .option('--json', 'the report as JSON on standard output')
  .action(async (chosen: string[], options: Choice) => {
    const unknown = chosen.filter((name) => !names.includes(name))
    if (unknown.length > 0) program.error(`no such part: ${unknown.join(', ')}`, { exitCode: 2 })
    const { seed, times, json, allowUnreachable = false } = options
    progress(`seed ${seed}`)
    const reports = []
    for (const name of chosen.length > 0 ? chosen : names) {
      reports.push(
        await (allParts[name] as (typeof allParts)[string])({
          seed,
          extent: 'full',
          times,
          allowUnreachable,
          progress,
        }),
      )
    }
    process.stdout.write(`${json ? JSON.stringify({ seed, parts: reports }) : printReport(reports)}\n`)
    process.exitCode = reports.some(({ problems }) => problems.length > 0) ? 1 : 0
  })
program
  .command('soak')
  .description('Mixed load with random faults; nothing may grow, nothing may be lost.')
  .option('--minutes <number>', 'how long', Number, 60)
  .option('--seed <number>', 'everything at random follows from it', Number, Date.now() % 1_000_000)
  .option('--json', 'the report as JSON on standard output, samples included')
  .option('--picture <file>', 'where to draw what was seen, as SVG')
  .action(async (options: { minutes: number; seed: number; json?: true; picture?: string }) => {
    const { minutes, seed, json, picture } = options
    progress(`soak, seed ${seed}`)
    const report = await soak({ minutes }, { seed, progress })
    if (picture !== undefined) await writeFile(picture, drawSoak(report.samples))
    process.stdout.write(`${json ? JSON.stringify({ seed, ...report }) : printReport([report])}\n`)
    process.exitCode = report.problems.length > 0 ? 1 : 0
  })
// An exit, unlike a signal's own end, ends the children as well; the servers end with this process in any case.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
await program.parseAsync()
process.exit(process.exitCode ?? 0)
