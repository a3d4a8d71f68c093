import { type Broker, type Connection, metadataV10, NetworkError } from '@platformatic/kafka'
import { ask, type Connections, within } from './connections.js'
import { kafkaError, responseOf } from './failure.js'

/** What the cluster says of a topic: the node id of each partition's leader, null while there is none. */
export type TopicState =
  | { readonly kind: 'known'; readonly topicId: string; readonly leaders: readonly (number | null)[] }
  | { readonly kind: 'missing' }
  | { readonly kind: 'unauthorized' }

export type MetadataResponse = Awaited<ReturnType<typeof metadataV10.api.async>>

/**
 * Which brokers there are and which of them leads which partition: kept until it proves wrong. Asks by itself, because
 * the client library's own call tells a missing topic only by an error's text.
 */
export class Cluster {
  readonly connections: Connections
  readonly #bootstrap: readonly Broker[]
  readonly #timeoutMs: number
  readonly #topics = new Map<string, TopicState>()
  readonly #brokers = new Map<number, Broker>()

  constructor(connections: Connections, bootstrap: readonly Broker[], timeoutMs: number) {
    this.connections = connections
    this.#bootstrap = bootstrap
    this.#timeoutMs = timeoutMs
  }

  known(topic: string): TopicState | undefined {
    return this.#topics.get(topic)
  }

  broker(nodeId: number): Broker | undefined {
    return this.#brokers.get(nodeId)
  }

  forget(topic: string): void {
    this.#topics.delete(topic)
  }

  /** Asks the cluster for topics. Rejects with the client library's error when no broker answers. */
  async refresh(topics: readonly string[], timeoutMs = this.#timeoutMs): Promise<void> {
    const response = await this.anywhere((connection) => metadata(connection, topics), timeoutMs)
    if (response.brokers.length > 0) this.#brokers.clear()
    for (const { nodeId, host, port } of response.brokers) this.#brokers.set(nodeId, { host, port })
    for (const topic of topics) this.#topics.set(topic, { kind: 'missing' })
    for (const topic of response.topics) this.#topics.set(topic.name ?? '', topicState(topic))
  }

  async look(topic: string): Promise<TopicState> {
    await this.refresh([topic])
    return this.#topics.get(topic) as TopicState
  }

  /** Asks a broker, and another one when it does not answer: connected ones first. Bounded by the timeout in all. */
  async anywhere<T>(request: (connection: Connection) => Promise<T>, timeoutMs = this.#timeoutMs): Promise<T> {
    const deadline = performance.now() + timeoutMs
    let failure: unknown
    for (const broker of this.#candidates()) {
      const leftMs = deadline - performance.now()
      if (leftMs <= 0) break
      try {
        const connection = await within(this.connections.get(broker), leftMs)
        // A silent broker must leave time for another one.
        const shareMs = Math.max(leftMs / 2, Math.min(leftMs, 1_000))
        return await ask(connection, shareMs, request)
      } catch (error) {
        if ((error as { response?: unknown }).response !== undefined) throw error
        failure = error
      }
    }
    throw failure ?? new NetworkError('No broker answered in time')
  }

  #candidates(): Broker[] {
    const byName = new Map(
      [...this.#brokers.values(), ...this.#bootstrap].map((each) => [`${each.host}:${each.port}`, each]),
    )
    const all = [...byName.values()]
    const connected = all.filter((broker) => this.connections.has(broker))
    return [...connected, ...all.filter((broker) => !connected.includes(broker))]
  }
}

/** The answer, whatever of it is an error. */
export async function metadata(connection: Connection, topics: readonly string[]): Promise<MetadataResponse> {
  try {
    return await metadataV10.api.async(connection, [...topics], false, false)
  } catch (error) {
    return responseOf<MetadataResponse>(error)
  }
}

function topicState(topic: MetadataResponse['topics'][number]): TopicState {
  if (topic.errorCode === kafkaError.unknownTopic || topic.errorCode === kafkaError.invalidTopic)
    return { kind: 'missing' }
  if (topic.errorCode === kafkaError.topicAuthorizationFailed) return { kind: 'unauthorized' }
  const leaders: (number | null)[] = []
  for (const { partitionIndex, leaderId } of topic.partitions) leaders[partitionIndex] = leaderId < 0 ? null : leaderId
  return { kind: 'known', topicId: topic.topicId, leaders }
}
