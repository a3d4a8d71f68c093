import type { Logger } from '@oncebox/core'
import { failureName } from './failure.js'
import { type GroupMembership, type Joined, membershipNews } from './groupMembership.js'
import type { Settings } from './options.js'

export interface HeartbeatParts {
  readonly membership: GroupMembership
  readonly settings: Pick<Settings, 'heartbeatIntervalMs' | 'sessionTimeoutMs' | 'clock'>
  readonly dealtOut: Joined['dealtOut']
  readonly logger: Logger
  /** A rebalance has begun, or the membership is gone or must be taken for gone. */
  readonly onNews: (news: 'rebalancing' | 'lost') => void
}

/** How often the member that deals partitions out looks whether topics have grown. */
const topicLookMs = 10_000

/**
 * Keeps the group membership alive, also while batches run and after a rebalance has begun. Returns the way to stop.
 */
export function startHeartbeats(parts: HeartbeatParts): () => void {
  const { membership, settings, logger, onNews } = parts
  const { clock, heartbeatIntervalMs, sessionTimeoutMs } = settings
  const stopping = new AbortController()

  const run = async () => {
    let answeredAt = clock.now()
    let lookedAt = answeredAt
    for (;;) {
      await clock.sleep(heartbeatIntervalMs, stopping.signal)
      if (stopping.signal.aborted) return
      const sentAt = clock.now()
      try {
        await membership.heartbeat()
        answeredAt = sentAt
      } catch (error) {
        if (stopping.signal.aborted) return
        const news = membershipNews(error)
        if (news !== 'unknown') onNews(news)
        if (news === 'lost') return
        if (news === 'rebalancing') answeredAt = sentAt
        else logger.debug({ reason: failureName(error) }, 'kafka: a heartbeat failed')
      }
      if (clock.now() - answeredAt > sessionTimeoutMs) return onNews('lost')
      if (parts.dealtOut !== null && clock.now() - lookedAt > topicLookMs) {
        lookedAt = clock.now()
        if (await haveChanged(parts.dealtOut, membership)) onNews('rebalancing')
      }
    }
  }
  void run()
  return () => stopping.abort()
}

async function haveChanged(dealtOut: ReadonlyMap<string, number>, membership: GroupMembership): Promise<boolean> {
  try {
    const counts = await membership.partitionCounts(dealtOut.keys())
    return [...dealtOut].some(([topic, count]) => counts.get(topic) !== count)
  } catch {
    // No broker answered: the next look will tell.
    return false
  }
}
