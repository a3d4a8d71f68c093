import type { Inspector, OffsetRange, TopicFacts } from '@oncebox/transport'
import kafkajs, { type Admin, type DescribeConfigResponse, type ITopicMetadata } from 'kafkajs'
import { briefRetry, ClientFactory } from './clientFactory.js'
import { toOnceboxError } from './failure.js'
import { type KafkajsOptions, resolveTuning } from './options.js'

const { ConfigResourceTypes } = kafkajs
const settingNames = ['min.insync.replicas', 'max.message.bytes', 'retention.ms', 'cleanup.policy']

/**
 * What a Kafka cluster says about its topics, through kafkajs. Connects when it is first asked. One for each command:
 * kafkajs keeps asking for topics that are deleted while it runs.
 *
 * @throws OnceboxError `INVALID_SETTING` as `kafkajs` does.
 */
export function kafkajsInspector(options: KafkajsOptions): Inspector {
  const tuning = resolveTuning(options)
  const clients = new ClientFactory(options, tuning)
  let connecting: Promise<Admin> | undefined

  async function connect(): Promise<Admin> {
    const admin = clients.client(tuning.logger).admin({ retry: briefRetry })
    await admin.connect()
    return admin
  }

  async function ask<T>(doing: string, question: (admin: Admin) => Promise<T>): Promise<T> {
    connecting ??= connect().catch((error: unknown) => {
      connecting = undefined
      throw error
    })
    try {
      return await question(await connecting)
    } catch (error) {
      throw toOnceboxError(error, doing)
    }
  }

  return {
    topics: (names) =>
      ask('reading topics', async (admin) => {
        // Asked for by name, one that is missing would fail the others.
        const existing = new Set(await admin.listTopics())
        const wanted = [...new Set(names)].filter((name) => existing.has(name))
        if (wanted.length === 0) return new Map()
        const { topics } = await admin.fetchTopicMetadata({ topics: wanted })
        const settings = await settingsOf(admin, wanted)
        return new Map(topics.map((topic) => [topic.name, factsOf(topic, settings.get(topic.name))]))
      }),
    offsets: (topic) =>
      ask('reading offsets', async (admin) => {
        const found = await admin.fetchTopicOffsets(topic)
        return new Map(found.map(({ partition, low, high }): [number, OffsetRange] => [partition, { low, high }]))
      }),
    offsetsAt: (topic, timeMs) =>
      ask('looking for offsets by time', async (admin) => {
        const found = await admin.fetchTopicOffsetsByTimestamp(topic, timeMs)
        return new Map(found.map(({ partition, offset }) => [partition, offset]))
      }),
    async close() {
      const admin = await connecting?.catch(() => undefined)
      await admin?.disconnect().catch(() => undefined)
    },
  }
}

type Settings = ReadonlyMap<string, string>

/** Without the right to describe settings there are none; that the topics exist is known all the same. */
async function settingsOf(admin: Admin, topics: readonly string[]): Promise<ReadonlyMap<string, Settings>> {
  const described: DescribeConfigResponse | null = await admin
    .describeConfigs({
      includeSynonyms: false,
      resources: topics.map((name) => ({ type: ConfigResourceTypes.TOPIC, name, configNames: settingNames })),
    })
    .catch(() => null)
  const resources = described?.resources ?? []
  return new Map(
    resources.map(({ resourceName, configEntries }) => [
      resourceName,
      new Map(configEntries.map(({ configName, configValue }) => [configName, configValue])),
    ]),
  )
}

function factsOf({ name, partitions }: ITopicMetadata, settings: Settings | undefined): TopicFacts {
  const numberOf = (setting: string) => {
    const value = Number(settings?.get(setting) ?? Number.NaN)
    return Number.isFinite(value) ? value : null
  }
  const kept = settings?.get('cleanup.policy') === 'compact' ? -1 : numberOf('retention.ms')
  return {
    topic: name,
    partitions: partitions.length,
    replicas: Math.min(...partitions.map(({ replicas }) => replicas.length)),
    inSync: Math.min(...partitions.map(({ isr }) => isr.length)),
    minInSync: numberOf('min.insync.replicas'),
    maxMessageBytes: numberOf('max.message.bytes'),
    retentionMs: kept,
  }
}
