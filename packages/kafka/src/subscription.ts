import { OnceboxError } from '@oncebox/core'
import type { BatchHandler, SubscribeOptions, Subscription } from '@oncebox/transport'
import type { Administration } from './administration.js'
import type { Cluster } from './cluster.js'
import { Connections } from './connections.js'
import { failureName, toOnceboxError } from './failure.js'
import { Generation } from './generation.js'
import { GroupMembership, type Joined } from './groupMembership.js'
import type { Settings } from './options.js'

const firstPauseMs = 200
const longestPauseMs = 5_000
/** A coordinator that has just started loads its groups first: that is waited for when a subscription starts. */
const coordinatorPatienceMs = 30_000

export interface SubscriptionParts {
  readonly settings: Settings
  readonly cluster: Cluster
  readonly administration: Administration
  readonly options: SubscribeOptions
  readonly handler: BatchHandler
}

/** A subscription: joins its group, and joins it again whenever a generation is over. */
export class KafkaSubscription implements Subscription {
  readonly #parts: SubscriptionParts
  readonly #membership: GroupMembership
  readonly #coordination: Connections
  readonly #joining: Connections
  readonly #fetching: Connections
  readonly #notBefore = new Map<string, number>()
  readonly #stopping = new AbortController()
  #generation: Generation | null = null
  #running: Promise<void> = Promise.resolve()
  #stopped: Promise<void> | undefined

  constructor(parts: SubscriptionParts) {
    this.#parts = parts
    const { settings, cluster, options } = parts
    const { clientId, connection, sessionTimeoutMs, rebalanceTimeoutMs } = settings
    this.#coordination = new Connections(clientId, connection)
    this.#joining = new Connections(clientId, connection)
    this.#fetching = new Connections(clientId, connection)
    this.#membership = new GroupMembership({
      group: options.group,
      topics: options.topics,
      cluster,
      coordination: this.#coordination,
      joining: this.#joining,
      sessionTimeoutMs,
      rebalanceTimeoutMs,
    })
  }

  /** @throws OnceboxError when a topic is missing or the group cannot be joined. */
  async start(): Promise<void> {
    try {
      await this.#checkTopics()
      this.#running = this.#run(await this.#firstJoin())
    } catch (error) {
      this.#closeConnections()
      throw toOnceboxError(error, 'subscribing')
    }
  }

  stop({ deadlineMs }: { readonly deadlineMs: number }): Promise<void> {
    this.#stopped ??= this.#stop(deadlineMs)
    return this.#stopped
  }

  async #stop(deadlineMs: number): Promise<void> {
    this.#stopping.abort()
    this.#generation?.stop(deadlineMs)
    // A join can last as long as a rebalance: it is given up.
    this.#joining.close()
    await this.#running
    try {
      await this.#membership.leave()
    } catch (error) {
      this.#parts.options.logger.debug({ reason: failureName(error) }, 'kafka: leaving the group failed')
    }
    this.#closeConnections()
  }

  async #checkTopics(): Promise<void> {
    const { administration, options } = this.#parts
    for (const topic of options.topics) {
      if ((await administration.partitions(topic)) === null) {
        throw new OnceboxError('TOPIC_MISSING', `Kafka: topic ${topic} does not exist`, { next: 'Create the topic.' })
      }
    }
  }

  async #firstJoin(): Promise<Joined> {
    const { clock } = this.#parts.settings
    const until = clock.now() + coordinatorPatienceMs
    for (;;) {
      try {
        return await this.#membership.join()
      } catch (error) {
        const passing = toOnceboxError(error, 'subscribing').code === 'TRANSPORT_FAILED'
        if (!passing || clock.now() > until || this.#stopping.signal.aborted) throw error
        await clock.sleep(firstPauseMs, this.#stopping.signal)
      }
    }
  }

  async #run(first: Joined): Promise<void> {
    const { settings, cluster, administration, options, handler } = this.#parts
    for (let joined: Joined | null = first; joined !== null; joined = await this.#joinAgain()) {
      const generation = new Generation({
        joined,
        membership: this.#membership,
        options,
        handler,
        settings,
        cluster,
        administration,
        fetching: this.#fetching,
        notBefore: this.#notBefore,
      })
      this.#generation = generation
      if (this.#stopping.signal.aborted) return
      await generation.run()
    }
  }

  /** Null when the subscription stops first. */
  async #joinAgain(): Promise<Joined | null> {
    const { options, settings } = this.#parts
    const { signal } = this.#stopping
    for (let pauseMs = firstPauseMs; !signal.aborted; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
      try {
        const joined = await this.#membership.join()
        return signal.aborted ? null : joined
      } catch (error) {
        if (signal.aborted) return null
        options.logger.warn({ reason: failureName(error) }, 'joining the group again failed')
        await settings.clock.sleep(pauseMs, signal)
      }
    }
    return null
  }

  #closeConnections(): void {
    this.#joining.close()
    this.#fetching.close()
    this.#coordination.close()
  }
}
