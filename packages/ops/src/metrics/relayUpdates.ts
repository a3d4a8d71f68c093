import type { RelayEvent } from '@oncebox/relay'
import type { MetricUpdate } from './metricList.js'

/** What an event of a relay means for its metrics. Pure; the same work for a publish of thousands as for one of one. */
export function relayUpdates(event: RelayEvent): MetricUpdate[] {
  const lane = 'lane' in event ? String(event.lane) : ''
  const labels = { lane }
  switch (event.event) {
    case 'ready':
      return [{ metric: 'oncebox_relay_holds_lease', value: 1, labels }]
    case 'standby':
    case 'stopped':
      return [{ metric: 'oncebox_relay_holds_lease', value: 0, labels }]
    case 'published': {
      const { count, waitedMs, trace } = event
      return [
        { metric: 'oncebox_relay_published_messages_total', value: count, labels },
        { metric: 'oncebox_relay_publish_delay_seconds', value: waitedMs / 1000, labels, trace },
      ]
    }
    case 'released': {
      const { count, topic } = event
      return [
        { metric: 'oncebox_relay_published_messages_total', value: count, labels },
        { metric: 'oncebox_relay_released_messages_total', value: count, labels: { lane, topic } },
      ]
    }
    case 'parked': {
      const { count, topic, code } = event
      return [{ metric: 'oncebox_relay_parked_messages_total', value: count, labels: { lane, topic, code } }]
    }
    case 'publish_failed': {
      const { count, code } = event
      return [{ metric: 'oncebox_relay_unacknowledged_messages_total', value: count, labels: { lane, code } }]
    }
    case 'topic_missing':
      return [{ metric: 'oncebox_relay_topics_missing_total', value: 1, labels: { lane, topic: event.topic } }]
    case 'topic_created':
      return [{ metric: 'oncebox_relay_topics_created_total', value: 1, labels }]
    case 'due':
      return [{ metric: 'oncebox_relay_due_messages_total', value: event.count, labels }]
    case 'lease_lost':
      return [
        { metric: 'oncebox_relay_holds_lease', value: 0, labels },
        { metric: 'oncebox_relay_lease_losses_total', value: 1, labels },
      ]
    case 'interrupted':
      return [
        { metric: 'oncebox_relay_holds_lease', value: 0, labels },
        { metric: 'oncebox_relay_interruptions_total', value: 1, labels: { lane, code: event.code } },
      ]
    case 'leaf_reclaimed':
      return [{ metric: 'oncebox_relay_leaves_reclaimed_total', value: 1, labels: {} }]
    case 'slot_switched':
      return [{ metric: 'oncebox_relay_slot_switches_total', value: 1, labels: {} }]
    case 'identity_changed':
      return [{ metric: 'oncebox_relay_restored_databases_total', value: 1, labels: {} }]
    default:
      // A relay of a later version may tell more than this one counts.
      return []
  }
}
