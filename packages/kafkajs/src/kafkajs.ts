import type { Publisher, Subscriber } from '@oncebox/transport'
import { Administration } from './administration.js'
import { ClientFactory } from './clientFactory.js'
import { type KafkajsOptions, resolveTuning } from './options.js'
import { KafkajsPublisher } from './publisher.js'
import { KafkajsSubscriber } from './subscriber.js'

/** Publisher and subscriber at once; `close()` closes both. */
export interface KafkajsTransport extends Publisher, Subscriber {}

/**
 * Kafka through kafkajs 2.2.4, for `createRelay({ publisher })` and `createConsumer({ subscriber })` alike. Connects
 * when it is first used. TLS certificates are verified unless the `ssl` options say otherwise.
 *
 * - `TopicPartition.topicId` is always '': kafkajs does not read topic ids, so a topic that was deleted and made again
 *   is known only by a stored offset beyond its end.
 * - With a `client` of the caller's, that client's own settings for retries and logs apply.
 *
 * @throws OnceboxError `INVALID_SETTING` for settings that cannot work, and for SASL that would send a secret in the
 *   clear (see `allowPlaintextSasl`).
 */
export function kafkajs(options: KafkajsOptions): KafkajsTransport {
  const tuning = resolveTuning(options)
  const clients = new ClientFactory(options, tuning)
  const administration = new Administration(clients, tuning.logger)
  const publisher = new KafkajsPublisher(clients, administration, tuning)
  const subscriber = new KafkajsSubscriber(clients, administration, tuning)
  return {
    name: 'kafkajs',
    connect: () => publisher.connect(),
    partitions: (topic) => publisher.partitions(topic),
    createTopic: (topic, partitions) => publisher.createTopic(topic, partitions),
    publish: (records) => publisher.publish(records),
    subscribe: (how, handler) => subscriber.subscribe(how, handler),
    retentionMs: (topic) => subscriber.retentionMs(topic),
    async close() {
      await Promise.all([publisher.close(), subscriber.close()])
    },
  }
}
