import type { BatchHandler, SubscribeOptions, Subscription } from '@oncebox/transport'
import type { Administration } from './administration.js'
import type { Cluster } from './cluster.js'
import { failureName } from './failure.js'
import type { Settings } from './options.js'
import { KafkaSubscription } from './subscription.js'

/** Hands out subscriptions, and stops those that are left when it is closed. */
export class KafkaSubscriber {
  readonly #settings: Settings
  readonly #cluster: Cluster
  readonly #administration: Administration
  readonly #subscriptions = new Set<Subscription>()

  constructor(settings: Settings, cluster: Cluster, administration: Administration) {
    this.#settings = settings
    this.#cluster = cluster
    this.#administration = administration
  }

  async subscribe(options: SubscribeOptions, handler: BatchHandler): Promise<Subscription> {
    const parts = { settings: this.#settings, cluster: this.#cluster, administration: this.#administration }
    const subscription = new KafkaSubscription({ ...parts, options, handler })
    await subscription.start()
    const handle: Subscription = {
      stop: async (how) => {
        await subscription.stop(how)
        this.#subscriptions.delete(handle)
      },
    }
    this.#subscriptions.add(handle)
    return handle
  }

  async retentionMs(topic: string): Promise<number | null> {
    try {
      return await this.#administration.retentionMs(topic)
    } catch (error) {
      this.#settings.logger.debug({ topic, reason: failureName(error) }, 'the retention could not be read')
      return null
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#subscriptions].map((each) => each.stop({ deadlineMs: 0 })))
  }
}
