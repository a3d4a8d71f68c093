import { metrics } from '@oncebox/ops'
import { expect, test } from 'vitest'
import { dashboard, expressions } from './dashboard.js'
import { selectorsIn } from './promql.js'
import { root } from './ruleFile.js'

test('the dashboard is the one that is made from the list of metrics (vitest --update writes it anew)', async () => {
  const text = `${JSON.stringify(dashboard(), null, 2)}\n`
  await expect(text).toMatchFileSnapshot(`${root}deploy/grafana/generated/oncebox.json`)
})

test('every query is one of PromQL, and every metric of the list is asked for', () => {
  const asked = new Set(
    expressions().flatMap((expr) => selectorsIn(expr).map(({ metric }) => metric.replace(/_bucket$/, ''))),
  )
  expect([...asked].sort()).toEqual(Object.keys(metrics).sort())
})
