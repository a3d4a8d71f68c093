import {
  type Attributes,
  type Context,
  type Counter,
  type Histogram,
  type Meter,
  ROOT_CONTEXT,
  TraceFlags,
  trace as traceApi,
} from '@opentelemetry/api'
import type { Instruments } from './instruments.js'
import { type LabelName, type Labels, labels as labelList } from './labels.js'
import { secondsBuckets } from './metric.js'
import { type MetricName, metricOf, metrics } from './metricList.js'

interface Point {
  readonly attributes: Attributes
  readonly value: number
}

/** Every metric as an instrument of `meter`, named after the semantic conventions for messaging where they have a name. */
export function openTelemetryInstruments(meter: Meter, system: string): Instruments {
  const refreshes: (() => Promise<void>)[] = []
  const counters = new Map<MetricName, Counter>()
  const histograms = new Map<MetricName, Histogram>()
  // The API's gauges cannot forget a series, its observable ones can: they are asked for what there is.
  const points = new Map<MetricName, Map<string, Point>>()
  for (const name of Object.keys(metrics) as MetricName[]) {
    const { kind, otel, unit, help: description, from } = metricOf(name)
    if (kind === 'counter') counters.set(name, meter.createCounter(otel, { unit, description }))
    else if (kind === 'histogram') {
      const advice = { explicitBucketBoundaries: [...secondsBuckets] }
      histograms.set(name, meter.createHistogram(otel, { unit, description, advice }))
    } else {
      const own = new Map<string, Point>()
      points.set(name, own)
      meter.createObservableGauge(otel, { unit, description }).addCallback(async (result) => {
        if (from === 'database') await Promise.all(refreshes.map((refresh) => refresh()))
        for (const { value, attributes } of own.values()) result.observe(value, attributes)
      })
    }
  }

  function attributesOf(name: MetricName, labels: Labels): Attributes {
    const { attributes } = metricOf(name)
    const conventional = attributes === undefined ? {} : { 'messaging.system': system, ...attributes }
    const own = Object.entries(labels).map(([label, value]) => [labelList[label as LabelName].attribute, value])
    return { ...conventional, ...Object.fromEntries(own) }
  }

  return {
    record(name, value, labels, trace) {
      const attributes = attributesOf(name, labels)
      counters.get(name)?.add(value, attributes)
      histograms.get(name)?.record(value, attributes, contextOf(trace ?? null))
      points.get(name)?.set(JSON.stringify(labels), { value, attributes })
    },
    replace(name, series) {
      const own = points.get(name)
      own?.clear()
      for (const { labels, value } of series) {
        own?.set(JSON.stringify(labels), { value, attributes: attributesOf(name, labels) })
      }
    },
    beforeReading: (refresh) => void refreshes.push(refresh),
  }
}

/** What an SDK takes its exemplars from. */
function contextOf(trace: { readonly traceId: string; readonly spanId: string } | null): Context {
  if (trace === null) return ROOT_CONTEXT
  return traceApi.setSpanContext(ROOT_CONTEXT, { ...trace, traceFlags: TraceFlags.SAMPLED, isRemote: true })
}
