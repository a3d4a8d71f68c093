import type { Clock, Logger } from '@oncebox/core'
import { failureName } from './failure.js'
import { type CommittedOffset, type GroupMembership, membershipNews } from './groupMembership.js'

const intervalMs = 50
const flushMs = 3_000
const retryMs = 200

/**
 * Commits to Kafka what is done, beside the running batches: for everyone's lag tools, and for groups whose handler keeps
 * no offsets. One commit at a time with the newest offset of each partition, at most 20 a second.
 */
export class OffsetCommitter {
  readonly #membership: GroupMembership
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #onNews: (news: 'rebalancing' | 'lost') => void
  readonly #waiting = new Map<string, CommittedOffset>()
  readonly #ended = new AbortController()
  #running: Promise<void> | null = null
  #flushing = new AbortController()

  constructor(parts: {
    readonly membership: GroupMembership
    readonly clock: Clock
    readonly logger: Logger
    readonly onNews: (news: 'rebalancing' | 'lost') => void
  }) {
    this.#membership = parts.membership
    this.#clock = parts.clock
    this.#logger = parts.logger
    this.#onNews = parts.onNews
  }

  /** The next offset of a partition is `offset`. */
  note(offset: CommittedOffset): void {
    this.#waiting.set(`${offset.topic}/${offset.partition}`, offset)
    this.#running ??= this.#run()
  }

  /** Commits what is still waiting, as far as that goes within three seconds. */
  async flush(): Promise<void> {
    this.#flushing.abort()
    const inTime = new AbortController()
    await Promise.race([this.#running, this.#clock.sleep(flushMs, inTime.signal)])
    inTime.abort()
    this.end()
  }

  /** Commits nothing more: the partitions are no longer ours. */
  end(): void {
    this.#waiting.clear()
    this.#ended.abort()
    this.#flushing.abort()
  }

  async #run(): Promise<void> {
    while (this.#waiting.size > 0) {
      const offsets = [...this.#waiting.values()]
      this.#waiting.clear()
      if (!(await this.#commit(offsets))) {
        for (const each of offsets) {
          const name = `${each.topic}/${each.partition}`
          if (!this.#ended.signal.aborted && !this.#waiting.has(name)) this.#waiting.set(name, each)
        }
        await this.#clock.sleep(retryMs, this.#ended.signal)
      } else if (!this.#flushing.signal.aborted) {
        await this.#clock.sleep(intervalMs, this.#flushing.signal)
      }
    }
    this.#running = null
  }

  /** Returns false when it is to be tried again. */
  async #commit(offsets: readonly CommittedOffset[]): Promise<boolean> {
    try {
      await this.#membership.commit(offsets)
      return true
    } catch (error) {
      const news = membershipNews(error)
      if (news !== 'unknown') this.#onNews(news)
      if (news === 'lost') return true
      this.#logger.debug({ reason: failureName(error) }, 'kafka: a commit of offsets failed')
      return false
    }
  }
}
