import type { LabelName } from './labels.js'

export type MetricKind = 'counter' | 'gauge' | 'histogram'

/** One metric, as Prometheus and OpenTelemetry know it. */
export interface Metric {
  readonly kind: MetricKind
  /** Where its values come from: events of a relay, a consumer or an id source, or a look into the database. */
  readonly from: 'relay' | 'consumer' | 'ids' | 'database'
  /** As UCUM has it: `s`, `By`, `1`, or the thing that is counted in braces. */
  readonly unit: string
  readonly labels: readonly LabelName[]
  /** A sentence without its full stop, as Prometheus shows it. */
  readonly help: string
  /** Its name in OpenTelemetry: one of the semantic conventions for messaging where there is one. */
  readonly otel: string
  /** Attributes that its every point has in OpenTelemetry. */
  readonly attributes?: Readonly<Record<string, string>>
}

/** Upper bounds of every histogram, in seconds: from a relay that keeps up to one that was away for hours. */
export const secondsBuckets = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200,
] as const
