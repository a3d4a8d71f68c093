import { systemClock } from '@oncebox/core'
import type { BatchHandler, SubscribeOptions, Subscription } from '@oncebox/transport'
import type { Administration } from './administration.js'
import { briefRetry, type ClientFactory } from './clientFactory.js'
import { classifyFailure, toOnceboxError } from './failure.js'
import { GroupMember } from './groupMember.js'
import type { Tuning } from './options.js'

const firstPauseMs = 500
const longestPauseMs = 5000
/** A coordinator that has just started loads its groups first: that is waited for when a subscription starts. */
const coordinatorPatienceMs = 30_000

/** A subscription: a group member, and a new one whenever kafkajs gives up on it. */
export class KafkajsSubscription implements Subscription {
  readonly #clients: ClientFactory
  readonly #administration: Administration
  readonly #tuning: Tuning
  readonly #options: SubscribeOptions
  readonly #handler: BatchHandler
  readonly #notBefore = new Map<string, number>()
  readonly #stopping = new AbortController()
  #member: GroupMember | undefined
  #rejoining: Promise<void> = Promise.resolve()
  #stopped: Promise<void> | undefined

  constructor(
    clients: ClientFactory,
    administration: Administration,
    tuning: Tuning,
    options: SubscribeOptions,
    handler: BatchHandler,
  ) {
    this.#clients = clients
    this.#administration = administration
    this.#tuning = tuning
    this.#options = options
    this.#handler = handler
  }

  /** @throws OnceboxError when the group cannot be joined. */
  async start(): Promise<void> {
    const until = performance.now() + coordinatorPatienceMs
    for (;;) {
      try {
        return await this.#join()
      } catch (error) {
        const passing = classifyFailure(error).code === 'TRANSPORT_FAILED'
        if (!passing || performance.now() > until || this.#stopping.signal.aborted) {
          throw toOnceboxError(error, 'subscribing')
        }
        await systemClock.sleep(firstPauseMs, this.#stopping.signal)
      }
    }
  }

  stop({ deadlineMs }: { readonly deadlineMs: number }): Promise<void> {
    this.#stopped ??= this.#stop(deadlineMs)
    return this.#stopped
  }

  async #stop(deadlineMs: number): Promise<void> {
    this.#stopping.abort()
    await this.#member?.leave(deadlineMs)
    await this.#rejoining
  }

  async #join(): Promise<void> {
    const { group, logger } = this.#options
    const { sessionTimeoutMs, rebalanceTimeoutMs, heartbeatIntervalMs, maxWaitMs } = this.#tuning
    const previous = this.#member
    const member = new GroupMember({
      consumer: this.#clients.client(logger).consumer({
        groupId: group,
        sessionTimeout: sessionTimeoutMs,
        rebalanceTimeout: rebalanceTimeoutMs,
        heartbeatInterval: heartbeatIntervalMs,
        maxWaitTimeInMs: maxWaitMs,
        allowAutoTopicCreation: false,
        // A consumer that kafkajs restarts by itself goes on only after some of the errors; we replace it after each.
        retry: { ...briefRetry, retries: 5, restartOnFailure: async () => false },
      }),
      options: this.#options,
      handler: this.#handler,
      administration: this.#administration,
      tuning: this.#tuning,
      notBefore: this.#notBefore,
      after: previous?.idle() ?? Promise.resolve(),
      onCrash: (error) => this.#crashed(error),
    })
    this.#member = member
    await member.join()
  }

  #crashed(error: Error): void {
    if (this.#stopping.signal.aborted) return
    this.#options.logger.warn({ reason: classifyFailure(error).reason }, 'the Kafka consumer ended, joining again')
    this.#rejoining = this.#rejoin()
  }

  async #rejoin(): Promise<void> {
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
      await systemClock.sleep(pauseMs, this.#stopping.signal)
      if (this.#stopping.signal.aborted) return
      try {
        return await this.#join()
      } catch (error) {
        this.#options.logger.warn({ reason: classifyFailure(error).reason }, 'joining the group again failed')
      }
    }
  }
}
