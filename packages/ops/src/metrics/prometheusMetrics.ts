import type { Logger } from '@oncebox/core'
import { type OpenMetricsContentType, Registry } from 'prom-client'
import { type Metrics, metricsOn } from './metrics.js'
import { prometheusInstruments } from './prometheusInstruments.js'

export interface PrometheusOptions {
  /**
   * A registry of prom-client, for a service that has one: `import { register } from 'prom-client'`. Without it one of its own.
   * Only one whose content type is OpenMetrics keeps exemplars.
   */
  readonly registry?: PrometheusRegistry
  readonly logger?: Logger
}

/** What is used of prom-client's `Registry`. */
export interface PrometheusRegistry {
  readonly contentType: string
  metrics(): Promise<string>
}

export interface PrometheusMetrics extends Metrics {
  readonly contentType: string
  /** Everything in the registry, in the format of `contentType`. */
  text(): Promise<string>
}

/** Metrics for Prometheus. @throws Error of prom-client when the registry has them already. */
export function prometheusMetrics({
  registry = openMetricsRegistry(),
  logger,
}: PrometheusOptions = {}): PrometheusMetrics {
  const metrics = metricsOn(prometheusInstruments(registry as Registry), logger)
  return {
    ...metrics,
    get contentType() {
      return registry.contentType
    },
    text: () => registry.metrics(),
  }
}

/** Prometheus reads it since version 2.5; exemplars need it. */
function openMetricsRegistry(): PrometheusRegistry {
  const registry = new Registry<OpenMetricsContentType>()
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
  return registry
}
