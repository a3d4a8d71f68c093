import type { Logger } from '@oncebox/core'
import { type OpenMetricsContentType, Registry } from 'prom-client'
import { type Metrics, metricsOn } from './metrics.js'
import { prometheusInstruments } from './prometheusInstruments.js'

export interface PrometheusOptions {
  /**
   * A registry of prom-client, for a service that has one: `import { register } from 'prom-client'`. Only one whose
   * content type is OpenMetrics keeps exemplars. Default: one of its own.
   */
  readonly registry?: PrometheusRegistry
  /** Default: silent. */
  readonly logger?: Logger
}

/** What is used of prom-client's `Registry`. */
export interface PrometheusRegistry {
  readonly contentType: string
  /** Everything in it, as text in the format of `contentType`. */
  metrics(): Promise<string>
}

/** The metrics, and what a scrape of them gets. */
export interface PrometheusMetrics extends Metrics {
  /** The media type of what `text` resolves with. */
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
