import { LabelBounds, type Labels } from './labels.js'
import type { GaugeName, MetricName, MetricUpdate, Series } from './metricList.js'

/** What takes the values of metrics: one implementation for each library, all pass the same suite. */
export interface Instruments {
  /** Adds to a counter, sets a gauge, observes in a histogram. Throws nothing. */
  record(metric: MetricName, value: number, labels: Labels, trace: MetricUpdate['trace']): void
  /** Sets all series of a gauge at once: those that are not named are gone. */
  replace(metric: GaugeName, series: readonly Series[]): void
  /** `refresh` is called, and waited for, before gauges that come from the database are read. */
  beforeReading(refresh: () => Promise<void>): void
}

/**
 * The same instruments, for whatever values labels come with: no label gets more of them than it may have. Of the gauges that
 * fall together under `other` the largest counts.
 */
export function boundedInstruments(instruments: Instruments): Instruments {
  const bounds = new LabelBounds()
  return {
    record: (metric, value, labels, trace) => instruments.record(metric, value, bounds.bounded(labels), trace),
    replace(metric, series) {
      const kept = new Map<string, Series>()
      for (const { labels: given, value } of series) {
        const labels = bounds.bounded(given)
        const id = JSON.stringify(labels)
        kept.set(id, { labels, value: Math.max(value, kept.get(id)?.value ?? value) })
      }
      instruments.replace(metric, [...kept.values()])
    },
    beforeReading: (refresh) => instruments.beforeReading(refresh),
  }
}
