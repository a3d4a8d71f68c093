import type { FallbackEvent } from '@oncebox/guards'
import type { MetricUpdate } from './metricList.js'

/** What an event of the id source named `source` means for its metrics. Pure. */
export function idUpdates(source: string, event: FallbackEvent): MetricUpdate[] {
  const labels = { source }
  switch (event.type) {
    case 'degraded':
      return [
        { metric: 'oncebox_ids_degraded', value: 1, labels },
        { metric: 'oncebox_ids_degradations_total', value: 1, labels },
      ]
    case 'recovered':
      return [
        { metric: 'oncebox_ids_degraded', value: 0, labels },
        { metric: 'oncebox_ids_fallback_total', value: event.fallbackIds, labels },
      ]
  }
}
