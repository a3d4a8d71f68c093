import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { goals } from '../dist/report/goals.js'
import { docsDirectory, withMeasured, withSuite } from '../dist/report/page.js'
import { picture } from '../dist/report/picture.js'
import { number, tables } from '../dist/report/tables.js'
import type { BenchResults, SuiteResult } from '../dist/results.js'

const literal = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
const machine = { cpus: 2, cpuModel: 'Testchip', memoryGb: 24, os: 'linux 6', node: '24.21.0' }
const suite = (name: string, rest: Partial<SuiteResult>): SuiteResult => ({
  suite: name,
  at: '2026-11-25T10:00:00.000Z',
  settings: { messages: 1_000_000 },
  samples: {},
  failures: [],
  skipped: {},
  ...rest,
})
const results: BenchResults = {
  machine,
  suites: {
    drain: suite('drain', {
      samples: {
        oncebox: [
          { perSecond: 300_000, cpuUs: 2.5, postgresCpuUs: 2 },
          { perSecond: 240_000, cpuUs: 3, postgresCpuUs: 2 },
        ],
        rawRead: [{ perSecond: 400_000 }, { perSecond: 500_000 }],
        rawProduce: [{ perSecond: 500_000 }, { perSecond: 400_000 }],
        naiveRelay: [{ perSecond: 30_000 }, null],
      },
      failures: [{ arm: 'naiveRelay', round: 2, reason: 'the arm ended\nwith 1' }],
      skipped: { watermillTuned: 'go is not installed' },
    }),
  },
}

describe('the report', () => {
  test('makes ratios of the runs of one round, and says which goals are met', () => {
    const text = tables(results)
    expect(text).toContain('| drain to Kafka | 270,000 (240,000 – 300,000)/s | ≥ 200,000 | yes | 2 |')
    // Only the first round has both.
    expect(text).toContain('| drain ÷ naive relay, 100 a batch | 10 | ≥ 12 | **no** | 1 |')
    expect(text).toContain(
      '| drain ÷ the slower of its limits, raw read and raw produce | 0.675 (0.6 – 0.75) | ≥ 0.6 | yes | 2 |',
    )
    expect(text).toContain('| CPU of Postgres and the relay a message | 4.75 (4.5 – 5) µs | ≤ 7 | yes | 2 |')
    expect(text).toContain('| drain ÷ Debezium, tuned | not measured | ≥ 4 |  | 0 |')
  })

  test('has a table of every subcommand, with what was left out and what failed', () => {
    const text = tables(results)
    expect(text).toContain('2026-11-25: messages 1,000,000.')
    expect(text).toContain('| arm | a second | CPU, µs | Postgres, µs |')
    expect(text).toContain('| `rawRead` | 450,000 (400,000 – 500,000) |  |  |')
    expect(text).toContain('- `watermillTuned` was left out: go is not installed')
    expect(text).toContain('- `naiveRelay` failed in round 2: the arm ended with 1')
  })

  test('stands where the page has its markers, in place of what stood there, and the page has them', () => {
    const page = readFileSync(`${docsDirectory}/benchmarks.md`, 'utf8')
    const once = withMeasured(page, tables(results))
    expect(once).toContain('Testchip')
    expect(withMeasured(once, 'nothing')).toBe(withMeasured(page, 'nothing'))
    expect(() => withMeasured('a page', 'nothing')).toThrow('has no')
  })

  test('leaves no goal out of the page, measured or not', () => {
    const page = readFileSync(`${docsDirectory}/benchmarks.md`, 'utf8')
    for (const { what, goal } of goals)
      expect(page).toMatch(new RegExp(`^\\| ${literal(what)} \\| .+ \\| ${literal(goal)} \\|`, 'm'))
  })

  test('replaces the figures of the subcommand that ran again, and keeps those of the others', () => {
    const again = withSuite(withSuite(results, suite('write', {})), suite('drain', { settings: { messages: 5 } }))
    expect(Object.keys(again.suites)).toEqual(['drain', 'write'])
    expect(tables(again)).toContain('messages 5.')
  })

  test('draws a bar for every rate there is, as long as the rate says', () => {
    const svg = picture(results)
    const widths = [...svg.matchAll(/width="(\d+)" height="22"/g)].map(([, width]) => Number(width))
    expect(widths).toEqual([264, 29, 440, 440])
    expect(svg).toContain('>oncebox</text>')
    expect(svg).not.toContain('Debezium')
    expect(picture({ machine, suites: {} })).toContain('</svg>')
  })

  test('shows three digits that count', () => {
    expect([1_234_567.8, 999.6, 12.345, 0.98765, 0].map(number)).toEqual(['1,234,568', '1,000', '12.3', '0.988', '0'])
  })
})
