import { sampledTrace } from '@oncebox/core'
import type { Entry } from './entry.js'
import type { RelayEvent } from './events.js'

/** What is told of a publish. Looks at the first record alone: a publish of thousands costs what one of one does. */
export function publishedEvent(lane: number, acked: readonly Entry[], nowMs: number): RelayEvent {
  const [first] = acked
  return {
    event: 'published',
    lane,
    count: acked.length,
    waitedMs: first === undefined ? 0 : Math.max(0, Math.round(nowMs - first.writtenAt)),
    trace: sampledTrace(first?.traceparent),
  }
}
