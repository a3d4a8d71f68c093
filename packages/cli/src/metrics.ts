// Metrics for Prometheus, readiness of relay, consumer and database, and the endpoints that tell them.
export type {
  ConsumerReadiness,
  ConsumerReadinessOptions,
  DatabaseOptions,
  Metrics,
  Operations,
  OperationsOptions,
  ReadinessCheck,
  RelayReadiness,
  RelayReadinessOptions,
} from '@oncebox/ops'
export { consumerReadiness, databaseReadiness, operations, relayReadiness } from '@oncebox/ops'
export {
  type PrometheusMetrics,
  type PrometheusOptions,
  type PrometheusRegistry,
  prometheusMetrics,
} from '@oncebox/ops/prometheus'
