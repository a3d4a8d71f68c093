import type { Publisher, Subscriber } from '@oncebox/transport'
import { Administration } from './administration.js'
import { Cluster } from './cluster.js'
import { Connections } from './connections.js'
import { requireNode } from './nodeFloor.js'
import { type KafkaOptions, resolveSettings } from './options.js'
import { KafkaPublisher } from './publisher.js'
import { KafkaSubscriber } from './subscriber.js'

/** Publisher and subscriber at once; `close()` closes both. */
export interface KafkaTransport extends Publisher, Subscriber {
  /**
   * Deletes a topic with all that is in it, for what makes topics of its own; one that is not there is fine.
   *
   * @throws OnceboxError `TRANSPORT_UNREACHABLE`, `NOT_AUTHORIZED`, `TRANSPORT_FAILED`.
   */
  deleteTopic(topic: string): Promise<void>
}

/** How long brokers are asked, one after the other, before they count as unreachable. */
const reachMs = 8_000

/**
 * Kafka with record batches encoded and decoded by ourselves, on @platformatic/kafka's connections; for
 * `createRelay({ publisher })` and `createConsumer({ subscriber })` alike. Connects when it is first used. Idempotent:
 * a request without an answer is sent again with the very same bytes, which the broker recognizes. TLS certificates are
 * verified unless the `ssl` options say otherwise.
 *
 * Publishing needs brokers of Kafka 2.8 or newer, subscribing 3.1 or newer.
 *
 * @throws OnceboxError `INVALID_SETTING` for settings that cannot work, for SASL that would send a secret in the clear
 *   (see `allowPlaintextSasl`), and on Node.js before 22.22.
 */
export function kafka(options: KafkaOptions): KafkaTransport {
  requireNode(process.versions.node)
  const settings = resolveSettings(options)
  const { clientId, connection, bootstrap, clock, requestTimeoutMs } = settings
  const publishing = new Connections(clientId, connection)
  const asking = new Connections(clientId, connection)
  const askMs = Math.min(reachMs, requestTimeoutMs)
  // Each with its own picture of the leaders, which it drops when a broker disagrees.
  const publisher = new KafkaPublisher(settings, new Cluster(publishing, bootstrap, askMs))
  const cluster = new Cluster(asking, bootstrap, askMs)
  const administration = new Administration(cluster, clock, askMs)
  const subscriber = new KafkaSubscriber(settings, cluster, administration)
  return {
    name: 'kafka',
    preferredRecords: 2_000,
    connect: () => publisher.connect(),
    partitions: (topic) => administration.partitions(topic),
    createTopic: (topic, partitions) => administration.createTopic(topic, partitions),
    deleteTopic: (topic) => administration.deleteTopic(topic),
    publish: (records) => publisher.publish(records),
    subscribe: (how, handler) => subscriber.subscribe(how, handler),
    retentionMs: (topic) => subscriber.retentionMs(topic),
    async close() {
      await Promise.all([publisher.close(), subscriber.close()])
      publishing.close()
      asking.close()
    },
  }
}
