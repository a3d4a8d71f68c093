import type { Logger } from '@oncebox/core'
import { type Meter, metrics as metricsApi } from '@opentelemetry/api'
import { type Metrics, metricsOn } from './metrics.js'
import { openTelemetryInstruments } from './openTelemetryInstruments.js'

export interface OpenTelemetryMetricsOptions {
  /** Default: that of the provider which the application has registered with the API. */
  readonly meter?: Meter
  /** Value of `messaging.system` in the semantic conventions. Default `kafka`. */
  readonly system?: string
  /** Default: silent. */
  readonly logger?: Logger
}

/** Metrics for OpenTelemetry. Register the application's meter provider first: what is made before has no effect. */
export function openTelemetryMetrics(options: OpenTelemetryMetricsOptions = {}): Metrics {
  const { meter = metricsApi.getMeter('oncebox'), system = 'kafka', logger } = options
  return metricsOn(openTelemetryInstruments(meter, system), logger)
}
