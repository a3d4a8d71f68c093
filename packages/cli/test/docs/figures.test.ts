import { expect, test } from 'vitest'
import { page } from './pages.js'

const benchmarks = page('docs/benchmarks.md').text

/** The medians of a table, by the first cell of a row and the heading of a column; `12.7 (7.64 – 13.9)/s` is 12.7. */
function medians(heading: string): Map<string, Map<string, number>> {
  const section = benchmarks.split(/^(?=##)/m).find((part) => part.startsWith(`${heading}\n`)) ?? ''
  const rows = section.split('\n').filter((line) => line.startsWith('|'))
  const cells = (row: string) => row.split('|').map((cell) => cell.trim().replaceAll('`', ''))
  const [columns = [], , ...measured] = rows.map(cells)
  return new Map(
    measured.map((row) => [
      row[1] ?? '',
      new Map(columns.map((column, at) => [column, Number.parseFloat((row[at] ?? '').replaceAll(',', ''))])),
    ]),
  )
}

type Quote = readonly [page: string, words: string, figure: number, heading: string, row: string, column: string]

const [comparison, faq, rate] = ['docs/comparison.md', 'docs/faq.md', 'a second'] as const

/** What other pages say of speed, in their words, and where it was measured. */
const quotes: readonly Quote[] = [
  [comparison, '0.5 ms from send to consumer', 0.5, '### latency', 'direct1000', 'p50, ms'],
  [comparison, 'oncebox takes 2.2 ms (p99 5.7 ms)', 5.7, '### latency', 'outbox1000', 'p99, ms'],
  [faq, '2.2 ms from commit to\nconsumer', 2.2, '### latency', 'outbox1000', 'p50, ms'],
  [comparison, '24,000 messages a second with batches of 100', 24_000, '### drain', 'naiveRelay', rate],
  [comparison, '38,000 with batches of 1,000', 38_000, '### drain', 'naiveRelay1000', rate],
  [comparison, 'on the same machine: 316,000', 316_000, '### drain', 'oncebox', rate],
  [faq, '316,000 messages a second against 62,000', 62_000, '### drain', 'onceboxKafkajs', rate],
  [comparison, '41,000 a second', 41_000, '### peers', 'debeziumTuned', rate],
  [comparison, 'in the same runs: 205,000', 205_000, '### peers', 'oncebox', rate],
  [comparison, '3,486 a second tuned', 3_486, '### peers', 'watermillTuned', rate],
  [comparison, 'tuned: 747 a second', 747, '### peers', 'pgTransactionalOutboxTuned', rate],
  [comparison, '2 µs a message', 2, '### peers', 'debeziumTuned', 'Postgres, µs'],
  [
    faq,
    '3.5 µs of CPU a message for relay and Postgres',
    3.5,
    '## Measured',
    'CPU of Postgres and the relay a message',
    'measured',
  ],
  [faq, 'relay takes 2.5 µs of CPU a message', 2.5, '## Measured', 'CPU of the relay a message', 'measured'],
  [faq, '18 ms/s when idle', 18, '## Measured', 'CPU of an idle relay', 'measured'],
  [faq, '21 small statements a second', 21, '## Measured', 'statements of an idle relay', 'measured'],
  [faq, '505 bytes to the log', 505, '## Measured', 'WAL added by an event of 200 bytes', 'measured'],
  [
    faq,
    '0.74 of the rate',
    0.74,
    '## Measured',
    'transaction with a message ÷ without, written by pgbench: what it costs the server',
    'measured',
  ],
]

/** Two measurements of one thing on one machine differ by less. */
const apart = 1.5

test.each(quotes)('%s: %s', (path, words, figure, heading, row, column) => {
  expect(page(path).text, `${path} no longer says this: name its new words here`).toContain(words)
  const measured = medians(heading).get(row)?.get(column)
  expect(measured, `docs/benchmarks.md has no ${column} of ${row} below ${heading}`).toBeGreaterThan(0)
  const ratio = figure / Number(measured)
  expect(Math.max(ratio, 1 / ratio), `measured anew: ${measured}; mend ${path}`).toBeLessThan(apart)
})
