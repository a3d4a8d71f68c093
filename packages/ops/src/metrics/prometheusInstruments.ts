import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Instruments } from './instruments.js'
import type { Labels } from './labels.js'
import { secondsBuckets } from './metric.js'
import { type GaugeName, type MetricName, metricOf, metrics } from './metricList.js'

/**
 * Every metric as one of prom-client, in `registry`. Histograms take exemplars where the registry writes OpenMetrics, the
 * only format that has them.
 */
export function prometheusInstruments(registry: Registry): Instruments {
  const refreshes: (() => Promise<void>)[] = []
  const refreshAll = async () => {
    await Promise.all(refreshes.map((refresh) => refresh()))
  }
  const withExemplars = String(registry.contentType) === Registry.OPENMETRICS_CONTENT_TYPE
  const counters = new Map<MetricName, Counter>()
  const gauges = new Map<MetricName, Gauge>()
  const histograms = new Map<MetricName, Histogram>()
  for (const name of Object.keys(metrics) as MetricName[]) {
    const { kind, help, labels, from } = metricOf(name)
    const common = { name, help, labelNames: [...labels], registers: [registry] }
    if (kind === 'counter') counters.set(name, new Counter(common))
    else if (kind === 'gauge') {
      gauges.set(name, new Gauge({ ...common, ...(from === 'database' ? { collect: refreshAll } : {}) }))
    } else {
      const buckets = [...secondsBuckets]
      histograms.set(name, new Histogram({ ...common, buckets, enableExemplars: withExemplars }))
    }
  }
  // A gauge without labels is 0 from the start in prom-client, and after a reset: of the database nothing is known then.
  const forget = (name: MetricName) => {
    if (metricOf(name).labels.length === 0) gauges.get(name)?.remove()
  }
  for (const name of gauges.keys()) if (metricOf(name).from === 'database') forget(name)

  function observe(name: MetricName, value: number, labels: Labels, trace: ExemplarTrace | null): void {
    const histogram = histograms.get(name)
    if (!withExemplars) histogram?.observe(labels, value)
    else if (trace === null) histogram?.observe({ labels, value } as never)
    else {
      const exemplarLabels = { trace_id: trace.traceId, span_id: trace.spanId }
      histogram?.observe({ labels, value, exemplarLabels } as never)
    }
  }

  return {
    record(name, value, labels, trace) {
      const { kind } = metricOf(name)
      if (kind === 'counter') counters.get(name)?.inc(labels, value)
      else if (kind === 'gauge') gauges.get(name)?.set(labels, value)
      else observe(name, value, labels, trace ?? null)
    },
    replace(name: GaugeName, series) {
      const gauge = gauges.get(name)
      gauge?.reset()
      forget(name)
      for (const { labels, value } of series) gauge?.set(labels, value)
    },
    beforeReading: (refresh) => void refreshes.push(refresh),
  }
}

interface ExemplarTrace {
  readonly traceId: string
  readonly spanId: string
}
