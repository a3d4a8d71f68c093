import type { Clock, Logger } from '@oncebox/core'
import type { Administration } from './administration.js'
import type { Cluster } from './cluster.js'
import { ask, type Connections, within } from './connections.js'
import { failureName, kafkaError } from './failure.js'
import { fetch } from './fetchRequest.js'
import type { FetchedPartition } from './fetchResponse.js'
import { FetchSession, type WantedPartition } from './fetchSession.js'
import type { PartitionFeed } from './partitionFeed.js'

export interface FetcherParts {
  readonly feeds: readonly PartitionFeed[]
  readonly cluster: Cluster
  readonly connections: Connections
  readonly administration: Administration
  readonly clock: Clock
  readonly logger: Logger
  readonly maxWaitMs: number
  readonly maxFetchBytes: number
  /** Called when something was fetched. */
  readonly onRecords: () => void
  /** Called when a topic turned out to be another one than it was, or to be gone. */
  readonly onTopicChanged: () => void
}

/** A feed is filled again when it holds less than so many fetches. */
const lowWater = 1
/** No fetches beyond this, in all feeds together, except for feeds that hold nothing. */
const maxBufferedBytes = 64_000_000
/** While some partitions have enough, the others are not waited for so long that those would run dry. */
const shortWaitMs = 20
const firstPauseMs = 50
const longestPauseMs = 1_000
const refusedPauseMs = 5_000
/** What an answer may take beyond the wait that was asked for. */
const answerMs = 10_000

const staleLeader: readonly number[] = [
  kafkaError.leaderNotAvailable,
  kafkaError.notLeader,
  9, // REPLICA_NOT_AVAILABLE
  56, // KAFKA_STORAGE_ERROR
  74, // FENCED_LEADER_EPOCH
  75, // UNKNOWN_LEADER_EPOCH
  78, // OFFSET_NOT_AVAILABLE
]
const otherTopic: readonly number[] = [
  kafkaError.unknownTopic,
  kafkaError.unknownTopicId,
  kafkaError.inconsistentTopicId,
]
const lostSession: readonly number[] = [
  kafkaError.fetchSessionNotFound,
  kafkaError.invalidFetchSessionEpoch,
  kafkaError.fetchSessionTopicId,
]

/** Keeps the feeds filled: from each leader one fetch at a time, under one fetch session. */
export class Fetcher {
  readonly #parts: FetcherParts
  readonly #stopping = new AbortController()
  readonly #loops = new Map<number, Promise<void>>()
  #looking: Promise<void> | null = null
  #wake = Promise.withResolvers<void>()

  constructor(parts: FetcherParts) {
    this.#parts = parts
  }

  start(): void {
    this.#route()
  }

  /** Something was taken from a feed, or a pause is over. */
  nudge(): void {
    this.#wake.resolve()
    this.#wake = Promise.withResolvers<void>()
  }

  /** No further fetches; one under way ends by itself, and brings nothing. */
  stop(): void {
    this.#stopping.abort()
    this.nudge()
  }

  get #stopped(): boolean {
    return this.#stopping.signal.aborted
  }

  /** Makes sure that every leader has its loop, and looks for the leaders that are not known. */
  #route(): void {
    if (this.#stopped) return
    let lost = false
    for (const feed of this.#parts.feeds) {
      const leader = this.#leaderOf(feed)
      if (leader === null) lost = true
      else if (!this.#loops.has(leader)) this.#loops.set(leader, this.#loop(leader))
    }
    if (lost) this.#looking ??= this.#look()
  }

  #leaderOf({ partition }: PartitionFeed): number | null {
    const state = this.#parts.cluster.known(partition.topic)
    if (state?.kind !== 'known' || state.topicId !== partition.topicId) return null
    return state.leaders[partition.partition] ?? null
  }

  /** Asks for the leaders until all are known or the topics are other ones. */
  async #look(): Promise<void> {
    const { cluster, feeds, clock, logger } = this.#parts
    for (let pauseMs = firstPauseMs; !this.#stopped; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
      await clock.sleep(pauseMs, this.#stopping.signal)
      if (this.#stopped) break
      try {
        await cluster.refresh([...new Set(feeds.map((feed) => feed.partition.topic))])
        if (feeds.some((feed) => this.#isOther(feed))) return this.#parts.onTopicChanged()
        if (feeds.every((feed) => this.#leaderOf(feed) !== null)) break
      } catch (error) {
        logger.debug({ reason: failureName(error) }, 'kafka: no broker told the leaders')
      }
    }
    this.#looking = null
    this.#route()
    this.nudge()
  }

  #isOther({ partition }: PartitionFeed): boolean {
    const state = this.#parts.cluster.known(partition.topic)
    return state?.kind === 'missing' || (state?.kind === 'known' && state.topicId !== partition.topicId)
  }

  async #loop(nodeId: number): Promise<void> {
    const session = new FetchSession()
    let pauseMs = firstPauseMs
    while (!this.#stopped) {
      const woken = this.#wake.promise
      const now = this.#parts.clock.now()
      const own = this.#parts.feeds.filter((feed) => this.#leaderOf(feed) === nodeId)
      if (own.length === 0) break
      const wanted = own.filter((feed) => this.#wants(feed, now))
      if (wanted.length === 0) {
        await this.#pause(woken, own, now)
      } else if (await this.#fetch(nodeId, session, wanted, wanted.length < own.length)) {
        pauseMs = firstPauseMs
      } else {
        session.reset()
        await this.#parts.clock.sleep(pauseMs, this.#stopping.signal)
        pauseMs = Math.min(pauseMs * 2, longestPauseMs)
      }
    }
    this.#loops.delete(nodeId)
    this.#route()
  }

  #wants(feed: PartitionFeed, now: number): boolean {
    if (feed.fetchNotBefore > now || feed.deliverNotBefore > now) return false
    if (feed.bufferedBytes === 0) return true
    const buffered = this.#parts.feeds.reduce((sum, each) => sum + each.bufferedBytes, 0)
    return feed.bufferedBytes < lowWater * this.#parts.maxFetchBytes && buffered < maxBufferedBytes
  }

  /** Waits until something is taken from a feed, or the first of their pauses is over. */
  async #pause(woken: Promise<void>, own: readonly PartitionFeed[], now: number): Promise<void> {
    const times = own.map((feed) => Math.max(feed.fetchNotBefore, feed.deliverNotBefore)).filter((time) => time > now)
    if (times.length === 0) return woken
    const over = new AbortController()
    await Promise.race([woken, this.#parts.clock.sleep(Math.min(...times) - now, over.signal)])
    over.abort()
  }

  /** Returns false when the leader gave no answer, or does not know the session. */
  async #fetch(
    nodeId: number,
    session: FetchSession,
    feeds: readonly PartitionFeed[],
    short: boolean,
  ): Promise<boolean> {
    const { cluster, connections, logger, maxWaitMs } = this.#parts
    const asked = new Map(
      feeds.map((feed) => [`${feed.partition.topicId}/${feed.partition.partition}`, wantedOf(feed)]),
    )
    const wanted = [...asked.values()]
    try {
      const broker = cluster.broker(nodeId)
      if (broker === undefined) throw new Error('the leader is not among the brokers')
      const connection = await within(connections.get(broker), answerMs)
      const waitMs = short ? Math.min(shortWaitMs, maxWaitMs) : maxWaitMs
      const response = await ask(connection, waitMs + answerMs, (to) => fetch(to, session.plan(wanted), waitMs))
      if (this.#stopped) return true
      if (response.errorCode !== 0) {
        if (lostSession.includes(response.errorCode)) return false
        logger.warn({ broker: nodeId, number: response.errorCode }, 'kafka: a fetch was refused')
        return false
      }
      session.answered(response.sessionId)
      for (const each of response.partitions) {
        const request = asked.get(`${each.topicId}/${each.partition}`)
        // A feed that was rewound in the meantime wants other records.
        if (request === undefined || request.fetchOffset !== request.feed.fetchOffset) continue
        await this.#receive(request.feed, each)
      }
      this.#parts.onRecords()
      return true
    } catch (error) {
      if (this.#stopped) return true
      logger.debug({ broker: nodeId, reason: failureName(error) }, 'kafka: a fetch got no answer')
      this.#lookAgain(feeds)
      return false
    }
  }

  async #receive(feed: PartitionFeed, fetched: FetchedPartition): Promise<void> {
    const { clock, logger } = this.#parts
    const { topic, partition } = feed.partition
    const { errorCode } = fetched
    if (errorCode === 0) {
      if (fetched.records.length > 0) feed.add(fetched)
    } else if (errorCode === kafkaError.offsetOutOfRange) {
      await this.#toEarliest(feed)
    } else if (staleLeader.includes(errorCode) || otherTopic.includes(errorCode)) {
      this.#lookAgain([feed])
    } else {
      logger.warn({ topic, partition, number: errorCode }, 'kafka: a partition cannot be fetched')
      feed.fetchNotBefore = clock.now() + refusedPauseMs
    }
  }

  #lookAgain(feeds: readonly PartitionFeed[]): void {
    for (const feed of feeds) this.#parts.cluster.forget(feed.partition.topic)
    this.#route()
  }

  async #toEarliest(feed: PartitionFeed): Promise<void> {
    const { administration, clock, logger } = this.#parts
    const { topic, partition } = feed.partition
    try {
      const range = (await administration.ranges(topic, [partition])).get(partition)
      if (range === undefined || this.#stopped) return
      const fields = { topic, partition, offset: String(feed.fetchOffset), goingOnAt: String(range.low) }
      logger.warn(fields, 'the next offset is out of the range that the partition has: going on at the first record')
      feed.seek(Number(range.low))
    } catch (error) {
      logger.warn({ topic, partition, reason: failureName(error) }, 'kafka: the range of offsets cannot be read')
      feed.fetchNotBefore = clock.now() + firstPauseMs
    }
  }
}

interface Request extends WantedPartition {
  readonly feed: PartitionFeed
}

function wantedOf(feed: PartitionFeed): Request {
  const { topicId, partition } = feed.partition
  return { feed, topicId, partition, fetchOffset: feed.fetchOffset, maxBytes: feed.fetchBytes }
}
