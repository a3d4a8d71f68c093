import { durationOf, evaluate, labelKey, parse, type Samples, type Source, selectorOf, type Value } from './promql.js'
import type { Rule, RuleTest } from './ruleFile.js'

const stepSeconds = 60

/** The samples of a test's series: `a+bxn` is n+1 samples from a on, `_` is none (Prometheus, "Unit testing for rules"). */
export function seriesOf(test: Pick<RuleTest, 'interval' | 'input_series'>): Samples[] {
  const interval = durationOf(test.interval)
  return test.input_series.map(({ series, values }) => {
    const { metric, matchers } = selectorOf(parse(series), series)
    const labels = Object.fromEntries(matchers.map(({ label, value }) => [label, value]))
    const expanded = values.split(/\s+/).flatMap(expand)
    const at = expanded.map((_, index) => index * interval)
    const present = at.filter((_, index) => expanded[index] !== null)
    const known = expanded.filter((value) => value !== null)
    return { labels: { __name__: metric, ...labels }, at: present, values: known }
  })
}

function expand(text: string): (number | null)[] {
  const missing = /^_(?:x(\d+))?$/.exec(text)
  if (missing !== null) return Array(Number(missing[1] ?? 1)).fill(null)
  const match = /^(-?[\d.]+)(?:([+-][\d.]+))?(?:x(\d+))?$/.exec(text)
  if (match === null) throw new Error(`not a series: ${text}`)
  const [start, step, times] = [Number(match[1]), Number(match[2] ?? 0), Number(match[3] ?? 0)]
  return Array.from({ length: times + 1 }, (_, index) => start + index * step)
}

export function sourceOf(series: readonly Samples[]): Source {
  return {
    range: ({ metric, matchers }, from, to) =>
      series
        .filter(({ labels }) => labels.__name__ === metric)
        .filter(({ labels }) =>
          matchers.every(({ label, operator, value }) => {
            if (operator !== '=') throw new Error(`${operator} is not evaluated here`)
            return (labels[label] ?? '') === value
          }),
        )
        .map(({ labels, at, values }) => {
          const inside = at.map((time, index) => [time, values[index] as number] as const)
          const kept = inside.filter(([time]) => time > from && time <= to)
          return { labels, at: kept.map(([time]) => time), values: kept.map(([, value]) => value) }
        })
        .filter(({ at }) => at.length > 0),
  }
}

/** The labels under which a rule fires at a time, in the order of their text: it has been true for `for` by then. */
export function firing(rule: Rule, atSeconds: number, source: Source): Record<string, string>[] {
  const heldFor = durationOf(rule.for)
  let since = new Map<string, { from: number; labels: Record<string, string> }>()
  for (let at = 0; at <= atSeconds; at += stepSeconds) {
    const now = new Map<string, { from: number; labels: Record<string, string> }>()
    for (const { labels } of vector(evaluate(rule.expr, at, source))) {
      const key = labelKey(labels)
      now.set(key, since.get(key) ?? { from: at, labels: { ...labels } })
    }
    since = now
  }
  return [...since.values()]
    .filter(({ from }) => atSeconds - from >= heldFor)
    .map(({ labels: { __name__: _, ...labels } }) => ({ ...labels, ...rule.labels }))
}

function vector(value: Value) {
  if (typeof value === 'number') throw new Error('an alert needs a vector')
  return value
}
