import { OnceboxError } from '@oncebox/core'
import type { BatchHandler, SubscribeOptions, Subscriber, Subscription } from '@oncebox/transport'
import type { Kafka } from 'kafkajs'
import type { Administration } from './administration.js'
import type { ClientFactory } from './clientFactory.js'
import { classifyFailure } from './failure.js'
import type { Tuning } from './options.js'
import { KafkajsSubscription } from './subscription.js'

/** The groups that have a subscription, by the client that the caller brought. */
const groupsOfClient = new WeakMap<Kafka, Set<string>>()

export class KafkajsSubscriber implements Subscriber {
  readonly name = 'kafkajs'
  readonly #clients: ClientFactory
  readonly #administration: Administration
  readonly #tuning: Tuning
  readonly #subscriptions = new Set<Subscription>()

  constructor(clients: ClientFactory, administration: Administration, tuning: Tuning) {
    this.#clients = clients
    this.#administration = administration
    this.#tuning = tuning
  }

  async subscribe(options: SubscribeOptions, handler: BatchHandler): Promise<Subscription> {
    const release = this.#claimGroup(options)
    const subscription = new KafkajsSubscription(this.#clients, this.#administration, this.#tuning, options, handler)
    try {
      await subscription.start()
    } catch (error) {
      release()
      throw error
    }
    const handle: Subscription = {
      stop: async (how) => {
        await subscription.stop(how)
        this.#subscriptions.delete(handle)
        release()
      },
    }
    this.#subscriptions.add(handle)
    return handle
  }

  async retentionMs(topic: string): Promise<number | null> {
    try {
      return await this.#administration.retentionMs(topic)
    } catch (error) {
      this.#tuning.logger.debug({ topic, reason: classifyFailure(error).reason }, 'the retention could not be read')
      return null
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#subscriptions].map((each) => each.stop({ deadlineMs: 0 })))
  }

  /** kafkajs keeps one table of committed offsets a client and group: a second consumer there would corrupt it. */
  #claimGroup({ group, logger }: SubscribeOptions): () => void {
    if (!this.#clients.shared) return () => {}
    const client = this.#clients.client(logger)
    const groups = groupsOfClient.get(client) ?? new Set<string>()
    groupsOfClient.set(client, groups)
    if (groups.has(group)) {
      throw new OnceboxError('INVALID_SETTING', 'This kafkajs client has a subscription of that group already', {
        next: 'Use a client for each, or give brokers instead of a client.',
      })
    }
    groups.add(group)
    return () => groups.delete(group)
  }
}
