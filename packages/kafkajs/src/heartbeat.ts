import { classifyFailure } from './failure.js'

/** What a failed heartbeat or commit says about the membership, by Kafka's error type. */
export type MembershipNews = 'rebalancing' | 'lost' | 'unknown'

export function membershipNews(error: unknown): MembershipNews {
  switch (classifyFailure(error).type) {
    case 'REBALANCE_IN_PROGRESS':
      return 'rebalancing'
    case 'ILLEGAL_GENERATION':
    case 'UNKNOWN_MEMBER_ID':
    case 'FENCED_INSTANCE_ID':
      return 'lost'
    default:
      return 'unknown'
  }
}

export interface HeartbeatOptions {
  readonly intervalMs: number
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  /** kafkajs's heartbeat: sends one when the interval has passed, and rejects with Kafka's error. */
  readonly beat: () => Promise<void>
  /** A rebalance has begun: end soon. */
  readonly onRebalancing: () => void
  /** The membership is gone, or must be taken for gone. */
  readonly onLost: () => void
}

/**
 * Keeps the group membership alive while a batch runs: kafkajs itself does so only between batches. Returns the way to
 * stop. A rebalance leaves the batch time to end, which avoids duplicates; past the timeouts the membership is lost.
 */
export function startHeartbeat(options: HeartbeatOptions): () => void {
  let answeredAt = performance.now()
  let rebalancingSince: number | undefined
  let beating = false

  const beat = async () => {
    try {
      await options.beat()
      answeredAt = performance.now()
    } catch (error) {
      const news = membershipNews(error)
      if (news === 'lost') return options.onLost()
      if (news === 'rebalancing') {
        answeredAt = performance.now()
        rebalancingSince ??= answeredAt
        options.onRebalancing()
      }
    }
    const now = performance.now()
    const silent = now - answeredAt > options.sessionTimeoutMs
    const late = rebalancingSince !== undefined && now - rebalancingSince > options.rebalanceTimeoutMs
    if (silent || late) options.onLost()
  }

  const timer = setInterval(() => {
    if (beating) return
    beating = true
    void beat().finally(() => {
      beating = false
    })
  }, options.intervalMs)
  return () => clearInterval(timer)
}
