import { type ErrorCode, isOnceboxError, type Logger } from '@oncebox/core'
import type { Tables } from '@oncebox/schema'
import type { Publisher } from '@oncebox/transport'
import type { RelayEvent } from './events.js'
import type { Session } from './session.js'

/** What is known of a topic: how many partitions its keys are spread over, or why nothing can be sent to it now. */
export type TopicState =
  | { readonly partitions: number }
  | { readonly status: 'refused' | 'failed'; readonly code: ErrorCode; readonly reason: string }

/** Topics that the transport is asked for at a time. */
const askedAtOnce = 32

/**
 * The number of partitions of each topic, pinned in the database when the relay first sees it: a topic that grows keeps
 * its keys where they are. 0 for transports without partitions.
 */
export class Partitions {
  readonly #parts: {
    readonly session: Session
    readonly tables: Tables
    readonly publisher: Publisher
    readonly createTopics: number | null
    readonly lane: number
    readonly logger: Logger
    readonly onEvent: (event: RelayEvent) => void
  }
  readonly #known = new Map<string, { readonly partitions: number }>()

  constructor(parts: {
    readonly session: Session
    readonly tables: Tables
    readonly publisher: Publisher
    readonly createTopics: number | null
    readonly lane: number
    readonly logger: Logger
    readonly onEvent: (event: RelayEvent) => void
  }) {
    this.#parts = parts
  }

  /** What is known without asking anybody. */
  known(topic: string): number | undefined {
    return this.#known.get(topic)?.partitions
  }

  /** Takes a pinned number of partitions as known before the topic was looked for. */
  presume(topic: string, pinned: number): void {
    if (!this.#known.has(topic)) this.#known.set(topic, { partitions: pinned })
  }

  /** `resolve` for many topics, some at a time. */
  async resolveAll(topics: ReadonlySet<string>): Promise<Map<string, TopicState>> {
    const left = [...topics]
    const states = new Map<string, TopicState>()
    while (left.length > 0) {
      await Promise.all(left.splice(0, askedAtOnce).map(async (topic) => states.set(topic, await this.resolve(topic))))
    }
    return states
  }

  /** Asks the transport whether the topic is there, then the database what was pinned, and pins what was not. */
  async resolve(topic: string): Promise<TopicState> {
    const known = this.#known.get(topic)
    if (known !== undefined) return known
    let seen: number | null
    try {
      seen = await this.#see(topic)
    } catch (error) {
      if (!isOnceboxError(error)) throw error
      const status = error.retryable ? 'failed' : 'refused'
      return { status, code: error.code, reason: `topic ${topic} could not be looked up` }
    }
    if (seen === null) return { status: 'refused', code: 'TOPIC_MISSING', reason: `topic ${topic} does not exist` }
    const state = { partitions: seen === 0 ? 0 : await this.#pin(topic, seen) }
    this.#known.set(topic, state)
    return state
  }

  async #see(topic: string): Promise<number | null> {
    const { publisher, createTopics, lane, onEvent } = this.#parts
    const seen = await publisher.partitions(topic)
    if (seen !== null || createTopics === null) return seen
    await publisher.createTopic(topic, createTopics)
    onEvent({ event: 'topic_created', lane, topic, partitions: createTopics })
    return publisher.partitions(topic)
  }

  async #pin(topic: string, seen: number): Promise<number> {
    const { session, tables, logger } = this.#parts
    await session.rows(
      `INSERT INTO ${tables.pinnedTopic} (topic, partitions) VALUES ($1, $2::int) ON CONFLICT (topic) DO NOTHING`,
      [topic, seen],
    )
    const [row] = await session.rows(`SELECT partitions FROM ${tables.pinnedTopic} WHERE topic = $1`, [topic])
    const pinned = Number(row?.[0] ?? seen)
    if (pinned > seen) {
      logger.warn({ topic, pinned, partitions: seen }, 'a topic has fewer partitions than its keys are spread over')
    } else if (pinned < seen) {
      logger.info(
        { topic, pinned, partitions: seen, next: 'See "oncebox topics --help".' },
        'a topic has grown; its keys stay on the partitions pinned before',
      )
    }
    return pinned
  }
}
