export { type OpenTelemetryMetricsOptions, openTelemetryMetrics } from './metrics/openTelemetryMetrics.js'
