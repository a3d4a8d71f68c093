import type { Metric } from './metric.js'

/** What a source of ids with a fallback does, as its events tell. */
export const idMetrics = {
  oncebox_ids_degraded: {
    kind: 'gauge',
    from: 'ids',
    unit: '1',
    labels: ['source'],
    help: '1 while the id service gives no ids and they are made locally, otherwise 0',
    otel: 'oncebox.ids.degraded',
  },
  oncebox_ids_degradations_total: {
    kind: 'counter',
    from: 'ids',
    unit: '{degradation}',
    labels: ['source'],
    help: 'How often the id service was left alone after failures',
    otel: 'oncebox.ids.degradations',
  },
  oncebox_ids_fallback_total: {
    kind: 'counter',
    from: 'ids',
    unit: '{id}',
    labels: ['source'],
    help: 'Ids that were made locally instead, counted when the id service is back',
    otel: 'oncebox.ids.fallback',
  },
} as const satisfies Record<string, Metric>
