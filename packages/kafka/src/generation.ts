import type { BatchHandler, BatchProgress, SubscribeOptions, TopicPartition } from '@oncebox/transport'
import type { Administration } from './administration.js'
import type { Cluster } from './cluster.js'
import type { Connections } from './connections.js'
import { failureName } from './failure.js'
import { Fetcher } from './fetcher.js'
import type { GroupMembership, Joined } from './groupMembership.js'
import { startHeartbeats } from './heartbeats.js'
import { OffsetCommitter } from './offsetCommitter.js'
import type { Settings } from './options.js'
import { PartitionFeed } from './partitionFeed.js'
import { commitsBehind, positionsOf } from './positions.js'

const assignRetryMs = 1_000
const rejectedRetryMs = 1_000
const unreadableRetryMs = 30_000
/** A partition that pauses longer than this gives its memory to the others. */
const keepFetchedMs = 1_000

export interface GenerationParts {
  readonly joined: Joined
  readonly membership: GroupMembership
  readonly options: SubscribeOptions
  readonly handler: BatchHandler
  readonly settings: Settings
  readonly cluster: Cluster
  readonly administration: Administration
  readonly fetching: Connections
  /** Partition to the time before which it is not delivered again; outlives this generation. */
  readonly notBefore: Map<string, number>
}

type End = 'rebalancing' | 'lost' | 'stopping'

/** What a member holds from one join of its group to the next: takes over, delivers, and hands back. */
export class Generation {
  readonly #parts: GenerationParts
  readonly #lost = new AbortController()
  readonly #abandoned = Promise.withResolvers<void>()
  readonly #ended = Promise.withResolvers<End>()
  readonly #running = new Set<Promise<void>>()
  #ending: End | null = null
  #partitions: readonly TopicPartition[] = []
  /** In the order in which they get their turn. */
  #feeds: PartitionFeed[] = []
  #fetcher: Fetcher | null = null
  #committer: OffsetCommitter
  #timer: NodeJS.Timeout | undefined

  constructor(parts: GenerationParts) {
    this.#parts = parts
    this.#committer = new OffsetCommitter({
      membership: parts.membership,
      clock: parts.settings.clock,
      logger: parts.options.logger,
      onNews: (news) => this.#end(news),
    })
  }

  /** Resolves when the generation is over and its batches have ended, or are waited for no longer. */
  async run(): Promise<void> {
    const { membership, joined, options, settings } = this.#parts
    const stopHeartbeats = startHeartbeats({
      membership,
      settings,
      dealtOut: joined.dealtOut,
      logger: options.logger,
      onNews: (news) => this.#end(news),
    })
    try {
      const ready = await Promise.race([this.#takeOver(), this.#abandoned.promise.then(() => false)])
      if (ready) this.#deliver()
      const end = await this.#ended.promise
      this.#fetcher?.stop()
      clearTimeout(this.#timer)
      await this.#windUp(end)
      if (ready && !this.#lost.signal.aborted) await this.#handBack()
    } finally {
      this.#committer.end()
      stopHeartbeats()
    }
  }

  stop(deadlineMs: number): void {
    this.#end('stopping')
    // A generation that is ending already ends now within the deadline.
    setTimeout(() => this.#abandon(), deadlineMs).unref()
  }

  #end(reason: End): void {
    if (reason === 'lost') this.#lost.abort()
    this.#ending ??= reason
    this.#ended.resolve(reason)
  }

  #abandon(): void {
    if (this.#running.size > 0) this.#lost.abort()
    this.#abandoned.resolve()
  }

  /** Waits for the running batches: up to the stop deadline, or until the group would go on without us. */
  async #windUp(end: End): Promise<void> {
    if (this.#running.size === 0) return
    const { rebalanceTimeoutMs } = this.#parts.settings
    const timer = end === 'rebalancing' ? setTimeout(() => this.#lost.abort(), rebalanceTimeoutMs * 0.8) : undefined
    const idle = async () => {
      while (this.#running.size > 0) await Promise.allSettled(this.#running)
    }
    await Promise.race([idle(), this.#abandoned.promise])
    clearTimeout(timer)
  }

  async #handBack(): Promise<void> {
    await this.#committer.flush()
    if (this.#partitions.length === 0 || this.#lost.signal.aborted) return
    try {
      await this.#parts.handler.revoked(this.#partitions)
    } catch (error) {
      this.#parts.options.logger.warn({ error: errorName(error) }, 'the handler rejected revoked()')
    }
  }

  /** Asks the handler for offsets until it answers, and makes the feeds. Returns false when the generation ends first. */
  async #takeOver(): Promise<boolean> {
    const { joined, membership, options, handler, cluster, administration, settings } = this.#parts
    for (;;) {
      if (this.#ending !== null) return false
      try {
        this.#partitions = await withTopicIds(joined.partitions, cluster)
        if (this.#partitions.length === 0) return true
        const wanted = await handler.assigned(this.#partitions)
        const committed = await membership.committed(joined.partitions)
        const tools = { administration, logger: options.logger }
        const positions = await positionsOf(this.#partitions, wanted, committed, tools)
        if (this.#ending !== null) return false
        for (const offset of commitsBehind(positions, wanted, committed)) this.#committer.note(offset)
        this.#feeds = Array.from(positions, ([partition, offset]) => {
          const feed = new PartitionFeed(partition, offset, settings.maxFetchBytes)
          feed.deliverNotBefore = this.#parts.notBefore.get(nameOf(partition)) ?? 0
          return feed
        })
        return true
      } catch (error) {
        const fields = { error: errorName(error), reason: failureName(error) }
        options.logger.warn(fields, 'taking over partitions failed, trying again')
        await Promise.race([settings.clock.sleep(assignRetryMs, this.#lost.signal), this.#ended.promise])
      }
    }
  }

  #deliver(): void {
    const { cluster, administration, fetching, settings, options } = this.#parts
    if (this.#feeds.length === 0) return
    this.#fetcher = new Fetcher({
      feeds: this.#feeds.slice(),
      cluster,
      connections: fetching,
      administration,
      clock: settings.clock,
      logger: options.logger,
      maxWaitMs: settings.maxWaitMs,
      maxFetchBytes: settings.maxFetchBytes,
      onRecords: () => this.#pump(),
      onTopicChanged: () => this.#end('rebalancing'),
    })
    this.#fetcher.start()
  }

  /** Starts batches while there are records and room, in turn. */
  #pump(): void {
    const now = this.#parts.settings.clock.now()
    let soonest = Number.POSITIVE_INFINITY
    for (const feed of this.#feeds.slice()) {
      if (this.#ending !== null || this.#running.size >= this.#parts.settings.partitionsAtOnce) return
      if (feed.busy || !feed.filled) continue
      if (feed.deliverNotBefore > now) soonest = Math.min(soonest, feed.deliverNotBefore)
      else this.#start(feed)
    }
    clearTimeout(this.#timer)
    if (soonest < Number.POSITIVE_INFINITY)
      this.#timer = setTimeout(() => this.#pump(), Math.min(soonest - now, 60_000))
  }

  #start(feed: PartitionFeed): void {
    feed.busy = true
    this.#feeds.splice(this.#feeds.indexOf(feed), 1)
    this.#feeds.push(feed)
    const work = this.#work(feed).finally(() => {
      feed.busy = false
      this.#running.delete(work)
      this.#fetcher?.nudge()
      this.#pump()
    })
    this.#running.add(work)
  }

  async #work(feed: PartitionFeed): Promise<void> {
    const records = this.#take(feed)
    if (records.length === 0) return
    const { topic, partition } = feed.partition
    const handled = this.#handle({ ...feed.partition, records, signal: this.#lost.signal })
    const progress = await Promise.race([handled, this.#abandoned.promise])
    // Lost while it ran: whoever has the partition now delivers these again.
    if (progress === undefined || this.#lost.signal.aborted) return
    const done = Math.max(0, Math.min(progress.done, records.length))
    if (done > 0) this.#committer.note({ topic, partition, offset: feed.settle(done) })
    if (done < records.length) this.#pauseFeed(feed, progress.retryAfterMs ?? 0)
  }

  #take(feed: PartitionFeed) {
    try {
      return feed.take(this.#parts.options)
    } catch (error) {
      const { topic, partition } = feed.partition
      this.#parts.options.logger.error({ topic, partition, error: errorName(error) }, 'a record batch cannot be read')
      feed.rewind()
      feed.fetchNotBefore = this.#parts.settings.clock.now() + unreadableRetryMs
      return []
    }
  }

  async #handle(batch: Parameters<BatchHandler['batch']>[0]): Promise<BatchProgress> {
    try {
      return await this.#parts.handler.batch(batch)
    } catch (error) {
      const { topic, partition } = batch
      this.#parts.options.logger.warn({ topic, partition, error: errorName(error) }, 'the batch handler rejected')
      return { done: 0, retryAfterMs: rejectedRetryMs }
    }
  }

  #pauseFeed(feed: PartitionFeed, retryAfterMs: number): void {
    if (retryAfterMs <= 0) return
    feed.deliverNotBefore = this.#parts.settings.clock.now() + retryAfterMs
    this.#parts.notBefore.set(nameOf(feed.partition), feed.deliverNotBefore)
    if (retryAfterMs > keepFetchedMs) feed.rewind()
  }
}

async function withTopicIds(
  partitions: ReadonlyMap<string, readonly number[]>,
  cluster: Cluster,
): Promise<TopicPartition[]> {
  if (partitions.size === 0) return []
  await cluster.refresh([...partitions.keys()])
  return Array.from(partitions, ([topic, numbers]) => {
    const state = cluster.known(topic)
    if (state?.kind !== 'known') throw new Error('an assigned topic is not there')
    return numbers.map((partition): TopicPartition => ({ topic, partition, topicId: state.topicId }))
  }).flat()
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}

/** An error's class and code: its text may quote a payload. */
export function errorName(error: unknown): string {
  if (!(error instanceof Error)) return typeof error
  const code = (error as { code?: unknown }).code
  return typeof code === 'string' ? `${error.name} ${code}` : error.name
}
