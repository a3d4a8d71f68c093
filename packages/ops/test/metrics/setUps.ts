import { type Metrics, metrics as metricList } from '@oncebox/ops'
import { openTelemetryMetrics } from '@oncebox/ops/opentelemetry'
import { prometheusMetrics } from '@oncebox/ops/prometheus'
import { AggregationTemporality, InstrumentType, MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics'
import { exposition } from './exposition.js'

/** Metrics on one library, and what somebody sees who reads them through it. */
export interface SetUp {
  readonly metrics: Metrics
  /** Every value by `metric{label="value"}`, under the names of the list; of a histogram its `_count` and `_sum`. */
  read(): Promise<Map<string, number>>
}

/** The implementations: all pass the same suite. */
export const setUps: Readonly<Record<string, () => SetUp>> = {
  'prom-client': throughPrometheus,
  OpenTelemetry: throughOpenTelemetry,
}

function throughPrometheus(): SetUp {
  const metrics = prometheusMetrics()
  return {
    metrics,
    async read() {
      const values = exposition(await metrics.text()).map(({ series, value }) => [series, value] as const)
      return new Map(values.filter(([series]) => !series.includes('_bucket{')))
    },
  }
}

/** Reads when it is told to. */
class Reader extends MetricReader {
  override async onForceFlush(): Promise<void> {}
  override async onShutdown(): Promise<void> {}
}

function throughOpenTelemetry(): SetUp {
  // With cumulative temporality the SDK goes on telling the last value of a series that is gone.
  const reader = new Reader({
    aggregationTemporalitySelector: (type) =>
      type === InstrumentType.OBSERVABLE_GAUGE ? AggregationTemporality.DELTA : AggregationTemporality.CUMULATIVE,
  })
  const meter = new MeterProvider({ readers: [reader] }).getMeter('test')
  const names = new Map(Object.entries(metricList).map(([name, { otel }]) => [otel as string, name]))
  return {
    metrics: openTelemetryMetrics({ meter }),
    async read() {
      const { resourceMetrics, errors } = await reader.collect()
      if (errors.length > 0) throw new AggregateError(errors)
      const values = new Map<string, number>()
      for (const { descriptor, dataPoints } of resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics)) {
        const name = names.get(descriptor.name) ?? descriptor.name
        for (const { attributes, value } of dataPoints) {
          const labels = labelText(attributes)
          if (typeof value === 'number') values.set(name + labels, value)
          else {
            values.set(`${name}_count${labels}`, value.count)
            values.set(`${name}_sum${labels}`, value.sum ?? 0)
          }
        }
      }
      return values
    },
  }
}

/** Under the label that each attribute is in Prometheus; those of the conventions that never change are left out. */
function labelText(attributes: Readonly<Record<string, unknown>>): string {
  const labelOf: Readonly<Record<string, string>> = {
    'oncebox.lane': 'lane',
    'messaging.destination.name': 'topic',
    'messaging.consumer.group.name': 'group',
    'error.type': 'code',
    'oncebox.outcome': 'outcome',
    'oncebox.id.source': 'source',
    'oncebox.problem': 'problem',
    'oncebox.part': 'part',
  }
  const labels = Object.entries(attributes).flatMap(([name, value]) => {
    const label = labelOf[name]
    return label === undefined ? [] : [`${label}=${JSON.stringify(value)}`]
  })
  return labels.length === 0 ? '' : `{${labels.join(',')}}`
}
