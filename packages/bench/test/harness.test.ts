import { describe, expect, test } from 'vitest'
import { selfTimes } from '../dist/cpuProfile.js'
import { summarize } from '../dist/drain.js'
import { interleave, Unavailable } from '../dist/interleave.js'
import { parseStat, treeCpuUs } from '../dist/processCpu.js'
import { figure, pairedRatio, type SuiteResult } from '../dist/results.js'
import { median, quantile } from '../dist/statistics.js'

const options = { suite: 'test', rounds: 3, settings: {}, progress: () => undefined, now: () => new Date(0) }
const suiteOf = (samples: SuiteResult['samples']): SuiteResult => ({
  suite: 'test',
  at: '1970-01-01T00:00:00.000Z',
  settings: {},
  samples,
  failures: [],
  skipped: {},
})

describe('statistics', () => {
  test('the median of an odd and of an even number of values', () => {
    expect(median([3, 1, 2])).toBe(2)
    expect(median([4, 1, 2, 3])).toBe(2.5)
    expect(() => median([])).toThrow('a median of nothing')
  })

  test('a quantile lies between its neighbours', () => {
    expect(quantile([10, 0], 0.99)).toBeCloseTo(9.9)
    expect(quantile([7], 0.99)).toBe(7)
  })

  test('a ratio pairs the runs of a round, and leaves out rounds in which one failed', () => {
    const suite = suiteOf({ fast: [{ rate: 10 }, null, { rate: 40 }], slow: [{ rate: 5 }, { rate: 1 }, { rate: 10 }] })
    expect(pairedRatio(suite, 'fast', 'slow', 'rate')).toEqual({ median: 3, min: 2, max: 4, count: 2 })
    expect(figure(suite, 'slow', 'rate')).toMatchObject({ median: 5, count: 3 })
    expect(pairedRatio(suite, 'fast', 'none', 'rate')).toBeUndefined()
    expect(figure(undefined, 'fast', 'rate')).toBeUndefined()
  })
})

describe('arms in turn', () => {
  test('one that fails loses its own figures and nobody else’s, and is given up after two failures in a row', async () => {
    const order: string[] = []
    const arm = (name: string, fails: (run: number) => Error | undefined) => {
      let run = 0
      return {
        name,
        async run() {
          order.push(name)
          const error = fails(run++)
          if (error !== undefined) throw error
          return { rate: run }
        },
      }
    }
    const result = await interleave(
      [
        arm('sound', () => undefined),
        arm('once', (run) => (run === 0 ? new Error('a bad start') : undefined)),
        arm('broken', () => new Error('no luck')),
        arm('absent', () => new Unavailable('go is not installed')),
      ],
      options,
    )
    expect(order.join(' ')).toBe('sound once broken absent sound once broken sound once')
    expect(result.samples).toEqual({
      sound: [{ rate: 1 }, { rate: 2 }, { rate: 3 }],
      once: [null, { rate: 2 }, { rate: 3 }],
      broken: [null, null, null],
    })
    expect(result.failures.map(({ arm: name, round }) => `${name} ${round}`)).toEqual([
      'once 1',
      'broken 1',
      'broken 2',
    ])
    expect(result.skipped).toEqual({ absent: 'go is not installed' })
  })

  test('the JSON of the drain has null for an arm that never ran well', () => {
    const run = { perSecond: 1000.4, cpuUs: 2.345, rssMb: 99.6 }
    const summary = summarize(suiteOf({ oncebox: [run], naiveRelay: [null] }))
    expect(summary).toMatchObject({
      oncebox: 1000,
      naiveRelay: null,
      cpuUsPerMessage: { oncebox: 2.35, naiveRelay: null },
      spread: { oncebox: [1000, 1000], naiveRelay: null },
    })
  })
})

describe('CPU time of processes', () => {
  test('is read behind a program name with spaces and parentheses in it', () => {
    const line = '42 (a (b) c) S 1 42 42 0 -1 4194560 100 0 0 0 7 3 20 5 20 0 1 0 100 1 1 1'
    expect(parseStat(line)).toEqual({ ownUs: 100_000, endedChildrenUs: 250_000 })
  })

  test.skipIf(process.platform !== 'linux')('counts this process, and is no number for one that is not there', () => {
    for (let n = 0, end = performance.now() + 30; performance.now() < end; n++) Math.sqrt(n)
    expect(treeCpuUs(process.pid)).toBeGreaterThan(0)
    expect(treeCpuUs(undefined)).toBeNaN()
    expect(treeCpuUs(2 ** 30)).toBeNaN()
  })
})

test('a profile adds up what each function spent itself, without waiting, and names where it is', () => {
  const frame = (functionName: string, url = '', lineNumber = -1) => ({ functionName, url, lineNumber })
  const nodes = [
    { id: 1, callFrame: frame('(idle)') },
    { id: 2, callFrame: frame('encode', 'file:///app/packages/kafka/dist/recordBatch.js', 9) },
    { id: 3, callFrame: frame('parse', 'file:///app/node_modules/.pnpm/pg@8/node_modules/pg/lib/parser.js', 0) },
    { id: 4, callFrame: frame('encode', 'file:///app/packages/kafka/dist/recordBatch.js', 9) },
    { id: 5, callFrame: frame('(garbage collector)') },
  ]
  const times = selfTimes({ nodes, samples: [1, 2, 3, 4, 5], timeDeltas: [900, 40, 30, 20, 10] })
  expect(times).toEqual([
    { where: 'encode kafka/dist/recordBatch.js:10', percent: 60 },
    { where: 'parse pg/lib/parser.js:1', percent: 30 },
    { where: '(garbage collector)', percent: 10 },
  ])
})
