import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'

export const root = fileURLToPath(new URL('../../../../', import.meta.url))

/** An alert as Prometheus reads it. */
export interface Rule {
  readonly alert: string
  readonly expr: string
  readonly for: string
  readonly labels: { readonly severity: string }
  readonly annotations: { readonly summary: string; readonly runbook_url: string }
}

/** A test of `promtool test rules`. */
export interface RuleTest {
  readonly name: string
  readonly interval: string
  readonly input_series: readonly { readonly series: string; readonly values: string }[]
  readonly promql_expr_test: readonly {
    readonly expr: string
    readonly eval_time: string
    readonly exp_samples: readonly { readonly labels: string; readonly value: number }[]
  }[]
}

export function readRules(): Rule[] {
  const file = readYaml('oncebox.rules.yml') as { groups: { rules: Rule[] }[] }
  return file.groups.flatMap(({ rules }) => rules)
}

export function readTests(): RuleTest[] {
  return (readYaml('oncebox.rules.test.yml') as { tests: RuleTest[] }).tests
}

function readYaml(name: string): unknown {
  return parse(readFileSync(`${root}deploy/prometheus/${name}`, 'utf8'))
}
