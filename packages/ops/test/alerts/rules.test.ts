import { existsSync, readFileSync } from 'node:fs'
import { metrics } from '@oncebox/ops'
import { describe, expect, test } from 'vitest'
import { durationOf, labelKey, parse, selectorOf, selectorsIn } from './promql.js'
import { readRules, readTests, root } from './ruleFile.js'
import { firing, seriesOf, sourceOf } from './simulation.js'

const rules = readRules()
const tests = readTests()

test('there is an alert for everything that keeps messages from their effects, and each has its name once', () => {
  expect(rules.length).toBeGreaterThanOrEqual(12)
  expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length)
})

describe.each(rules.map((rule) => [rule.alert, rule] as const))('%s', (alert, rule) => {
  test('asks for metrics that exist, with labels that they have', () => {
    const selectors = selectorsIn(rule.expr)
    expect(selectors).not.toEqual([])
    for (const { metric, matchers } of selectors) {
      const known = metricOf(metric)
      expect(known, metric).toBeDefined()
      for (const { label } of matchers) expect(known?.labels).toContain(label)
    }
  })

  test('says how grave it is, and names only labels that it has', () => {
    expect(['page', 'ticket']).toContain(rule.labels.severity)
    const known = selectorsIn(rule.expr).flatMap(({ metric }) => metricOf(metric)?.labels ?? [])
    const named = [...rule.annotations.summary.matchAll(/\$labels\.(\w+)/g)].map(([, label]) => label)
    for (const label of named) expect(known).toContain(label)
  })

  test('leads to a page that says what it means, where to look and what mends it', () => {
    const { runbook_url: path } = rule.annotations
    expect(existsSync(root + path), path).toBe(true)
    const text = readFileSync(root + path, 'utf8')
    expect(text).toContain(alert)
    const list = readFileSync(`${root}docs/metrics.md`, 'utf8')
    expect(list).toContain(`[${alert}](${path.replace('docs/', '')}) | ${rule.labels.severity} |`)
    expect([...text.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading)).toEqual(['What it means', 'Look', 'Mend'])
    for (const section of text.split(/^## /m).slice(2)) expect(section).toMatch(/^oncebox [a-z]+/m)
  })

  test('is silent before its time, fires once for all processes, and ends with its cause', () => {
    const own = tests.filter(({ promql_expr_test: checks }) => checks.some(({ expr }) => alertOf(expr) === alert))
    expect(own, `a simulated series of ${alert}`).not.toEqual([])
    for (const { name, promql_expr_test: checks, ...given } of own) {
      const source = sourceOf(seriesOf(given))
      for (const { eval_time: at, exp_samples: expected } of checks) {
        const fires = firing(rule, durationOf(at), source).map(labelKey).sort()
        expect(fires, `${name}, at ${at}`).toEqual(expected.map(({ labels }) => labelKey(ownLabels(labels))).sort())
      }
      const sizes = checks.map(({ exp_samples: expected }) => expected.length)
      expect(sizes.includes(0) && sizes.includes(1), `${name} sees it silent and firing`).toBe(true)
    }
  })
})

/** The metric of the list that a series is of: a histogram has three. */
function metricOf(series: string) {
  const name = Object.keys(metrics).find((metric) => {
    const { kind } = metrics[metric as keyof typeof metrics]
    return (
      metric === series ||
      (kind === 'histogram' && ['_bucket', '_sum', '_count'].some((end) => metric + end === series))
    )
  })
  return name === undefined ? undefined : { labels: metrics[name as keyof typeof metrics].labels as readonly string[] }
}

function alertOf(expression: string): string | undefined {
  const { metric, matchers } = selectorOf(parse(expression), expression)
  return metric === 'ALERTS' ? matchers.find(({ label }) => label === 'alertname')?.value : undefined
}

/** The labels of an `ALERTS` sample but those that every one has. */
function ownLabels(series: string): Record<string, string> {
  const { matchers } = selectorOf(parse(series), series)
  const own = matchers.filter(({ label }) => label !== 'alertname' && label !== 'alertstate')
  return Object.fromEntries(own.map(({ label, value }) => [label, value]))
}
