import { type BenchResults, figure, type SuiteResult } from '../results.js'
import type { Spread } from '../statistics.js'
import { goals, settingsText } from './goals.js'

/** How the figures of samples are headed; others stand under their own name. */
const headings: Readonly<Record<string, string>> = {
  perSecond: 'a second',
  eventsPerSecond: 'events a second',
  cpuUs: 'CPU, µs',
  postgresCpuUs: 'Postgres, µs',
  kafkaCpuUs: 'Kafka, µs',
  relayCpuUs: 'relay, µs',
  rssMb: 'memory, MB',
  walBytesPerTransaction: 'WAL a transaction, B',
  walBytesPerEvent: 'WAL an event, B',
  selfPercent: 'own time, %',
  p50Ms: 'p50, ms',
  p99Ms: 'p99, ms',
  maxMs: 'longest, ms',
  missing: 'missing',
  records: 'records',
  parked: 'set aside',
  deadOutboxTuples: 'dead outbox tuples',
  statementsPerSecond: 'statements a second',
  relayCpuMsPerSecond: 'relay, ms/s',
  postgresCpuMsPerSecond: 'Postgres, ms/s',
}

/** Everything measured, as Markdown: the goals first, then what each subcommand gave. Pure. */
export function tables(results: BenchResults): string {
  const { machine, suites } = results
  const { cpus, cpuModel, memoryGb, os, node } = machine
  return [
    '![Bars: messages a second of oncebox, of other relays, and of the limits](benchmarks.svg)',
    '',
    `Machine: ${cpus} × ${cpuModel}, ${memoryGb} GB, ${os}, Node.js ${node}; relay, Postgres, Kafka and load share it.`,
    '',
    'Medians, in parentheses the smallest and the largest; a ratio is made of the runs of one round.',
    '',
    ...goalTable(results),
    ...Object.values(suites).flatMap((suite) => ['', ...suiteSection(suite)]),
  ].join('\n')
}

function goalTable(results: BenchResults): string[] {
  const rows = goals.map(({ what, goal, meets, value, unit = '' }) => {
    const found = value(results)
    const measured = found === undefined ? 'not measured' : `${spreadText(found)}${unit}`
    const verdict = found === undefined ? '' : meets(found.median) ? 'yes' : '**no**'
    return `| ${what} | ${measured} | ${goal} | ${verdict} | ${found?.count ?? 0} |`
  })
  return ['| what | measured | goal | met | runs |', '|---|---|---|---|---|', ...rows]
}

function suiteSection(suite: SuiteResult): string[] {
  const arms = Object.keys(suite.samples)
  const names = [
    ...new Set(Object.values(suite.samples).flatMap((all) => all.flatMap((each) => Object.keys(each ?? {})))),
  ]
  const row = (arm: string) => {
    const cells = names.map((name) => {
      const found = figure(suite, arm, name)
      return found === undefined ? '' : name === 'perSecond' ? spreadText(found) : number(found.median)
    })
    return `| \`${arm}\` | ${cells.join(' | ')} |`
  }
  return [
    `### ${suite.suite}`,
    '',
    `${suite.at.slice(0, 10)}: ${settingsText(suite)}.`,
    '',
    `| ${suite.suite === 'profile' ? 'function' : 'arm'} | ${names.map((name) => headings[name] ?? name).join(' | ')} |`,
    `|---|${names.map(() => '---|').join('')}`,
    ...arms.map(row),
    ...remarks(suite),
  ]
}

function remarks({ skipped, failures }: SuiteResult): string[] {
  const lines = [
    ...Object.entries(skipped).map(([arm, reason]) => `- \`${arm}\` was left out: ${oneLine(reason)}`),
    ...failures.map(({ arm, round, reason }) => `- \`${arm}\` failed in round ${round}: ${oneLine(reason)}`),
  ]
  return lines.length === 0 ? [] : ['', ...lines]
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').slice(0, 200)
}

function spreadText({ median, min, max }: Spread): string {
  return min === max ? number(median) : `${number(median)} (${number(min)} – ${number(max)})`
}

/** Three digits that count, and whole numbers above them. Pure. */
export function number(value: number): string {
  const rounded = Math.abs(value) >= 1_000 ? Math.round(value) : Number(value.toPrecision(3))
  return rounded.toLocaleString('en', { maximumFractionDigits: 6 })
}
