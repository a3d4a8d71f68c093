import type { Inspector, OffsetRange, TopicFacts } from '@oncebox/transport'
import { ConfigResourceTypes, type Connection, describeConfigsV4 } from '@platformatic/kafka'
import { Administration } from './administration.js'
import { Cluster, type MetadataResponse, metadata } from './cluster.js'
import { Connections } from './connections.js'
import { responseOf, toOnceboxError } from './failure.js'
import { requireNode } from './nodeFloor.js'
import { type KafkaOptions, resolveSettings } from './options.js'

/** How long brokers are asked, one after the other, before they count as unreachable. */
const reachMs = 8_000
const settingNames = ['min.insync.replicas', 'max.message.bytes', 'retention.ms', 'cleanup.policy']

/**
 * What a Kafka cluster says about its topics. Connects when it is first asked; connections are its own.
 *
 * @throws OnceboxError `INVALID_SETTING` as `kafka` does.
 */
export function kafkaInspector(options: KafkaOptions): Inspector {
  requireNode(process.versions.node)
  const { clientId, connection, bootstrap, clock, requestTimeoutMs } = resolveSettings(options)
  const askMs = Math.min(reachMs, requestTimeoutMs)
  const connections = new Connections(clientId, connection)
  const cluster = new Cluster(connections, bootstrap, askMs)
  const administration = new Administration(cluster, clock, askMs)

  async function ask<T>(doing: string, question: () => Promise<T>): Promise<T> {
    try {
      return await question()
    } catch (error) {
      throw toOnceboxError(error, doing)
    }
  }

  return {
    topics: (names) =>
      ask('reading topics', async () => {
        const found = await cluster.anywhere((to) => metadata(to, [...new Set(names)]))
        const topics = found.topics.filter(({ errorCode, partitions }) => errorCode === 0 && partitions.length > 0)
        if (topics.length === 0) return new Map()
        const settings = await cluster.anywhere((to) =>
          settingsOf(
            to,
            topics.map(({ name }) => name ?? ''),
          ),
        )
        return new Map(topics.map((topic) => [topic.name ?? '', factsOf(topic, settings.get(topic.name ?? ''))]))
      }),
    offsets: (topic) =>
      ask('reading offsets', async () => {
        const found = await administration.ranges(topic, await partitionsOf(administration, topic))
        const ranges = Array.from(found, ([partition, { low, high }]): [number, OffsetRange] => [
          partition,
          { low: String(low), high: String(high) },
        ])
        return new Map(ranges.sort(([one], [other]) => one - other))
      }),
    offsetsAt: (topic, timeMs) =>
      ask('looking for offsets by time', async () => {
        const found = await administration.offsetsAt(topic, await partitionsOf(administration, topic), timeMs)
        return new Map(Array.from(found, ([partition, offset]) => [partition, String(offset)]))
      }),
    async close() {
      connections.close()
    },
  }
}

async function partitionsOf(administration: Administration, topic: string): Promise<number[]> {
  return Array.from({ length: (await administration.partitions(topic)) ?? 0 }, (_, partition) => partition)
}

type Settings = ReadonlyMap<string, string | null | undefined>

/** Without the right to describe settings there are none; that the topics exist is known all the same. */
async function settingsOf(to: Connection, topics: readonly string[]): Promise<ReadonlyMap<string, Settings>> {
  const resources = topics.map((resourceName) => ({
    resourceType: ConfigResourceTypes.TOPIC,
    resourceName,
    configurationKeys: settingNames,
  }))
  const { results } = await describeConfigsV4.api
    .async(to, resources, false, false)
    .catch((error) => responseOf<Awaited<ReturnType<typeof describeConfigsV4.api.async>>>(error))
  return new Map(
    results.map(({ resourceName, configs }) => [
      resourceName,
      new Map(configs.map(({ name, value }) => [name, value])),
    ]),
  )
}

function factsOf({ name, partitions }: MetadataResponse['topics'][number], settings: Settings | undefined): TopicFacts {
  const numberOf = (setting: string) => {
    const value = Number(settings?.get(setting) ?? Number.NaN)
    return Number.isFinite(value) ? value : null
  }
  return {
    topic: name ?? '',
    partitions: partitions.length,
    replicas: Math.min(...partitions.map(({ replicaNodes }) => replicaNodes.length)),
    inSync: Math.min(...partitions.map(({ isrNodes }) => isrNodes.length)),
    minInSync: numberOf('min.insync.replicas'),
    maxMessageBytes: numberOf('max.message.bytes'),
    retentionMs: settings?.get('cleanup.policy') === 'compact' ? -1 : numberOf('retention.ms'),
  }
}
