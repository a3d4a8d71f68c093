// The same metrics for OpenTelemetry.
export { type OpenTelemetryMetricsOptions, openTelemetryMetrics } from '@oncebox/ops/opentelemetry'
