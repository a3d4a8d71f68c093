import type { ConsumerEvent, SpanCounts } from '@oncebox/inbox'
import type { MetricUpdate } from './metricList.js'

const outcomes = {
  handled: 'handled',
  duplicates: 'duplicate',
  deadLettered: 'dead_lettered',
  skipped: 'skipped',
  parked: 'parked',
  ignored: 'ignored',
} as const satisfies Record<keyof SpanCounts, string>

/**
 * What an event of a consumer of `group` means for its metrics. Pure. Reads neither ids nor types of messages, nor what a
 * handler said: a metric has a series for each value of a label.
 */
export function consumerUpdates(group: string, event: ConsumerEvent): MetricUpdate[] {
  const own = { group }
  const place = { group, topic: 'topic' in event ? event.topic : '' }
  switch (event.type) {
    case 'started':
      return [{ metric: 'oncebox_consumer_running', value: 1, labels: own }]
    case 'stopped':
      return [{ metric: 'oncebox_consumer_running', value: 0, labels: own }]
    case 'committed':
      return committed(place, event)
    case 'attemptFailed':
      return [{ metric: 'oncebox_consumer_failed_attempts_total', value: 1, labels: place }]
    case 'deadLettered':
      return [{ metric: 'oncebox_consumer_dead_letters_total', value: 1, labels: { ...place, code: event.reason } }]
    case 'redriven':
      return [{ metric: 'oncebox_consumer_redriven_messages_total', value: 1, labels: place }]
    case 'putOff':
      return [{ metric: 'oncebox_consumer_put_off_messages_total', value: 1, labels: place }]
    case 'blocked':
      return [{ metric: 'oncebox_consumer_blocked_total', value: 1, labels: { ...place, code: event.reason } }]
    case 'conflict':
      return [{ metric: 'oncebox_consumer_conflicts_total', value: 1, labels: place }]
    case 'paused':
      return [{ metric: 'oncebox_consumer_pauses_total', value: 1, labels: place }]
    case 'careful':
      return [{ metric: 'oncebox_consumer_careful_starts_total', value: 1, labels: place }]
    case 'wentBack':
      return [{ metric: 'oncebox_consumer_went_back_total', value: 1, labels: place }]
    case 'copied':
      return [{ metric: 'oncebox_consumer_copied_dead_letters_total', value: event.count, labels: own }]
    case 'copyFailed': {
      const labels = { group, code: event.code ?? 'none' }
      return [{ metric: 'oncebox_consumer_uncopied_dead_letters_total', value: event.count, labels }]
    }
    case 'reclaimed':
      return [{ metric: 'oncebox_consumer_leaves_reclaimed_total', value: event.leaves.length, labels: own }]
    default:
      // `skipped` and `parked` tell of each message what `committed` has counted.
      return []
  }
}

function committed(
  place: { readonly group: string; readonly topic: string },
  event: ConsumerEvent & { readonly type: 'committed' },
): MetricUpdate[] {
  const updates: MetricUpdate[] = []
  for (const name of Object.keys(outcomes) as (keyof SpanCounts)[]) {
    const labels = { ...place, outcome: outcomes[name] }
    if (event[name] > 0) updates.push({ metric: 'oncebox_consumer_messages_total', value: event[name], labels })
  }
  const { first, tookMs } = event
  const trace = first?.trace ?? null
  updates.push({ metric: 'oncebox_consumer_transaction_seconds', value: tookMs / 1000, labels: place, trace })
  if (first !== null) {
    const value = first.waitedMs / 1000
    updates.push({ metric: 'oncebox_consumer_effect_delay_seconds', value, labels: place, trace })
  }
  return updates
}
