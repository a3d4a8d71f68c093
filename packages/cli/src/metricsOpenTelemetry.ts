export { type OpenTelemetryMetricsOptions, openTelemetryMetrics } from '@oncebox/ops/opentelemetry'
