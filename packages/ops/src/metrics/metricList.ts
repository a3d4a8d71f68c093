import { consumerMetrics } from './consumerMetrics.js'
import { databaseMetrics } from './databaseMetrics.js'
import { idMetrics } from './idMetrics.js'
import type { Labels } from './labels.js'
import type { Metric } from './metric.js'
import { relayMetrics } from './relayMetrics.js'

/** All metrics there are, by their Prometheus name. `docs/metrics.md` lists them; a test holds the two together. */
export const metrics = { ...relayMetrics, ...consumerMetrics, ...idMetrics, ...databaseMetrics } as const

export type MetricName = keyof typeof metrics

type NamesOf<Kind extends Metric['kind']> = {
  [Name in MetricName]: (typeof metrics)[Name]['kind'] extends Kind ? Name : never
}[MetricName]
export type GaugeName = NamesOf<'gauge'>

type LabelsOf<Name extends MetricName> = (typeof metrics)[Name]['labels'][number]

/** What an instrument is told: a counter to add, a gauge to take, a histogram to observe `value`. */
export type MetricUpdate = {
  [Name in MetricName]: {
    readonly metric: Name
    readonly value: number
    readonly labels: Readonly<Record<LabelsOf<Name>, string>>
    /** An example of what was observed, for a histogram's exemplar. */
    readonly trace?: { readonly traceId: string; readonly spanId: string } | null
  }
}[MetricName]

/** The value of a gauge for one set of labels. */
export interface Series {
  readonly labels: Labels
  readonly value: number
}

export function metricOf(name: MetricName): Metric {
  return metrics[name]
}
