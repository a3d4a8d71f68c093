import { type Metric, metrics } from '@oncebox/ops'
import { expect, test } from 'vitest'
import { page } from './pages.js'

const sources = { relay: 'the relay', consumer: 'consumers', ids: 'id sources', database: 'the database' } as const

/** The tables of docs/metrics.md, as the list of metrics in the code makes them. */
function tables(): string {
  return Object.entries(sources)
    .map(([from, heading]) => {
      const rows = Object.entries<Metric>(metrics)
        .filter(([, metric]) => metric.from === from)
        .map(([name, { kind, labels, help, otel, unit }]) => {
          const cells = [`\`${name}\``, kind, labels.map((label) => `\`${label}\``).join(', ') || '—', `${help}.`]
          return `| ${[...cells, `\`${otel}\`, \`${unit}\``].join(' | ')} |`
        })
      return `### Of ${heading}\n\n| in Prometheus | kind | labels | | in OpenTelemetry |\n|---|---|---|---|---|\n${rows.join('\n')}`
    })
    .join('\n\n')
}

test('docs/metrics.md lists the metrics of the code, word for word', () => {
  const section = /^## All metrics\n[\s\S]*?(?=^### )([\s\S]*?)\n\n(?=## )/m.exec(page('docs/metrics.md').text)?.[1]
  expect(section).toBe(tables())
})

test('a metric is named after its unit: counters end in _total, times in _seconds, sizes in _bytes', () => {
  const endingOf: Readonly<Record<string, string>> = { s: '_seconds', By: '_bytes' }
  for (const [name, { kind, unit }] of Object.entries<Metric>(metrics)) {
    expect(name).toMatch(/^oncebox_[a-z_]+$/)
    expect(name.endsWith('_total'), name).toBe(kind === 'counter')
    if (kind !== 'counter') expect(/(_seconds|_bytes)?$/.exec(name)?.[0], name).toBe(endingOf[unit] ?? '')
  }
  const otel = Object.values(metrics).map((metric) => metric.otel)
  expect(new Set(otel).size).toBe(otel.length)
})
