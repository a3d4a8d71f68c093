import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { cpus, platform, release, totalmem } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { BenchResults, Machine, SuiteResult } from '../results.js'
import { picture } from './picture.js'
import { tables } from './tables.js'

const begin = '<!-- measured: begin -->'
const end = '<!-- measured: end -->'

const fromHere = (path: string) => fileURLToPath(new URL(`../../../../${path}`, import.meta.url))
/** The page whose text stands around the table, and where a full run writes. */
export const docsDirectory = fromHere('docs')
/** Where raw results are kept, and where a quick run writes. */
export const scratchDirectory = fromHere('.cache/bench')

/** The page with `measured` in place of what stood between its markers. Pure. @throws Error when it has none. */
export function withMeasured(page: string, measured: string): string {
  const from = page.indexOf(begin)
  const to = page.indexOf(end)
  if (from === -1 || to < from) throw new Error(`the page has no ${begin} … ${end}`)
  return `${page.slice(0, from + begin.length)}\n\n${measured}\n\n${page.slice(to)}`
}

/** Results so far with another suite's in them, in the place of an older run of it. Pure. */
export function withSuite(results: BenchResults, suite: SuiteResult): BenchResults {
  return { ...results, suites: { ...results.suites, [suite.suite]: suite } }
}

/** The results that earlier runs of the same kind left on this machine. Those of another machine do not count. */
export async function readResults(file: string): Promise<BenchResults> {
  const machine = thisMachine()
  const text = await readFile(file, 'utf8').catch(() => undefined)
  const known = text === undefined ? undefined : (JSON.parse(text) as BenchResults)
  const same = JSON.stringify(known?.machine) === JSON.stringify(machine)
  return { machine, suites: same ? (known?.suites ?? {}) : {} }
}

/** Writes raw results, page and picture; each complete or not at all. */
export async function writeReport(results: BenchResults, file: string, directory: string): Promise<void> {
  const page = await readFile(join(docsDirectory, 'benchmarks.md'), 'utf8')
  await mkdir(scratchDirectory, { recursive: true })
  await mkdir(directory, { recursive: true })
  await replace(file, `${JSON.stringify(results, null, 1)}\n`)
  await replace(join(directory, 'benchmarks.md'), withMeasured(page, tables(results)))
  await replace(join(directory, 'benchmarks.svg'), picture(results))
}

async function replace(file: string, content: string): Promise<void> {
  const partial = `${file}.${process.pid}`
  await writeFile(partial, content)
  await rename(partial, file)
}

function thisMachine(): Machine {
  const all = cpus()
  return {
    cpus: all.length,
    cpuModel: all[0]?.model.trim() ?? 'unknown',
    memoryGb: Math.round(totalmem() / 1e9),
    os: `${platform()} ${release()}`,
    node: process.versions.node,
  }
}
