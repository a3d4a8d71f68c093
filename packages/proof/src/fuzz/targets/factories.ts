import { defineMessages } from '@oncebox/core'
import { createDashboard } from '@oncebox/dashboard'
import { segmentIds, withFallback } from '@oncebox/guards'
import { createConsumer } from '@oncebox/inbox'
import { kafka, kafkaInspector } from '@oncebox/kafka'
import { kafkajs, kafkajsInspector } from '@oncebox/kafkajs'
import { consumerReadiness, operations, relayReadiness } from '@oncebox/ops'
import { webhookNotifier } from '@oncebox/ops/webhook'
import { createOutbox } from '@oncebox/outbox'
import { pgBoss } from '@oncebox/pg-boss'
import { createRelay } from '@oncebox/relay'
import { memoryTransport } from '@oncebox/transport/memory'
import {
  callable,
  clock,
  either,
  type Fits,
  flag,
  having,
  largestInt32,
  logger,
  object,
  oneOf,
  present,
  recordOf,
  shaped,
  text,
  texts,
  whole,
} from './settingKinds.js'

/** A public function that takes settings. */
export interface Factory {
  readonly make: (options: never) => unknown
  /** Settings it cannot be without, as they should be. */
  readonly needs: Readonly<Record<string, unknown>>
  /** What each setting has to be. */
  readonly kinds: Readonly<Record<string, Fits>>
}

const nothing = async (): Promise<{ rows: [] }> => ({ rows: [] })
const pool = { options: { max: 10 }, connect: nothing, query: nothing, on: () => undefined }
const contract = {
  topic: 'orders',
  schema: { '~standard': { version: 1, vendor: 'fuzz', validate: (value: unknown) => ({ value }) } },
}
const db = { transaction: nothing, txOf: () => ({ query: nothing }) }
const transport = memoryTransport()
const ids = { next: () => '019b7000-0000-7000-8000-000000000001' }
const timer = whole(1, largestInt32)
/** Longer than anybody keeps anything, and short enough for Postgres' intervals. */
const span = (least: number) => whole(least, 100 * 366 * 86_400_000)

const publisher = having('connect', 'partitions', 'publish', 'close')
const query = having('query')
const sessions = having('connect')
const backoff = shaped({ minMs: timer, maxMs: timer })
const contracts = recordOf(shaped({ topic: text, schema: object, key: callable }))
const policy = oneOf('park', 'skip', 'block')

const isAddress = (broker: string): boolean => {
  const [, port] = /^[^:]+:(\d+)$/.exec(broker) ?? []
  return Number(port) > 0 && Number(port) < 65_536
}

const kafkaKinds = {
  brokers: (value: unknown) => texts(value) && (value as string[]).every(isAddress),
  clientId: text,
  ssl: either(flag, object),
  sasl: object,
  allowPlaintextSasl: flag,
  connectionTimeoutMs: timer,
  requestTimeoutMs: timer,
  maxBatchBytes: timer,
  sessionTimeoutMs: timer,
  heartbeatIntervalMs: timer,
  rebalanceTimeoutMs: timer,
  partitionsAtOnce: timer,
  maxWaitMs: timer,
  logger,
}
const ownKafkaKinds = {
  ...kafkaKinds,
  deliveryTimeoutMs: timer,
  maxFetchBytes: timer,
  compression: oneOf('none', 'gzip', 'snappy', 'lz4', 'zstd'),
  clock,
}
const brokers = ['localhost:9092']

/** Every public function that takes settings, by its name. */
export const factories: Readonly<Record<string, Factory>> = {
  createOutbox: {
    make: createOutbox,
    needs: { source: 'fuzz' },
    kinds: {
      source: text,
      messages: contracts,
      schema: text,
      ids: having('next'),
      maxPayloadBytes: whole(1),
      clock: present,
    },
  },
  createRelay: {
    make: createRelay,
    needs: { pool, publisher: transport.publisher() },
    kinds: {
      pool: sessions,
      publisher,
      schema: text,
      lane: whole(0, largestInt32),
      leaseMs: whole(1_000, largestInt32),
      batchMessages: whole(1, largestInt32),
      batchBytes: whole(1),
      retentionMs: span(0),
      leafWidthMs: span(1),
      reclaimEveryMs: timer,
      createTopics: whole(1, largestInt32),
      parkAfterMs: span(0),
      topicRetryMs: timer,
      pauseLookMs: timer,
      stopDeadlineMs: whole(0, largestInt32),
      holder: text,
      logger,
      clock,
      random: callable,
      monotonicMs: callable,
      onEvent: callable,
    },
  },
  createConsumer: {
    make: createConsumer,
    needs: {
      db,
      subscriber: transport.subscriber(),
      group: 'billing',
      messages: { made: contract },
      handlers: { made: nothing },
    },
    kinds: {
      db: having('transaction', 'txOf'),
      subscriber: having('subscribe', 'retentionMs', 'close'),
      group: text,
      messages: contracts,
      handlers: object,
      topics: texts,
      schema: text,
      batchMessages: whole(1, largestInt32),
      batchBytes: whole(1),
      concurrency: whole(1, largestInt32),
      handlerIdleMs: timer,
      attempts: whole(1, largestInt32),
      poison: either(policy, recordOf(policy)),
      duplicateConstraints: texts,
      deadLetterTopic: shaped({ topic: text, publisher }),
      backoff,
      horizonMs: span(1),
      futureMs: span(1),
      redrivePollMs: timer,
      allowLongerRetention: flag,
      unknownType: oneOf('ignore', 'deadLetter', 'block'),
      logger,
      clock,
      random: callable,
      onEvent: callable,
    },
  },
  kafka: { make: kafka, needs: { brokers }, kinds: ownKafkaKinds },
  kafkaInspector: { make: kafkaInspector, needs: { brokers }, kinds: ownKafkaKinds },
  kafkajs: { make: kafkajs, needs: { brokers }, kinds: kafkaKinds },
  kafkajsInspector: { make: kafkajsInspector, needs: { brokers }, kinds: kafkaKinds },
  pgBoss: {
    make: pgBoss,
    needs: { connectionString: 'postgres://localhost/shop', topics: { orders: ['billing'] } },
    kinds: {
      connectionString: text,
      topics: recordOf(texts),
      schema: text,
      heartbeatSeconds: timer,
      keepCompletedSeconds: timer,
      maxRecordBytes: whole(1),
      logger,
    },
  },
  webhookNotifier: {
    make: webhookNotifier,
    needs: { url: 'https://localhost/hook', secret: '0123456789abcdef' },
    kinds: {
      url: text,
      secret: text,
      from: text,
      gatherMs: whole(0, largestInt32),
      everyMs: whole(0, largestInt32),
      timeoutMs: whole(0, largestInt32),
      backoff: shaped({ minMs: whole(0, largestInt32), maxMs: whole(0, largestInt32) }),
      stuckAfterMs: span(0),
      logger,
      clock,
      random: callable,
    },
  },
  createDashboard: {
    make: createDashboard,
    needs: { pool, access: () => null },
    kinds: {
      pool: sessions,
      access: callable,
      consumers: recordOf(sessions),
      schema: text,
      basePath: text,
      inspector: either((value) => value === null, having('topics', 'offsets', 'close')),
      actions: flag,
      retentionMs: span(0),
      refreshMs: whole(200, largestInt32),
      logger,
    },
  },
  operations: {
    make: operations,
    needs: {},
    kinds: {
      ready: (value) => Array.isArray(value) && value.every(having('check')),
      metrics: having('text'),
      deadlineMs: whole(0, largestInt32),
      logger,
    },
  },
  relayReadiness: {
    make: relayReadiness,
    needs: {},
    kinds: { lanes: (value) => Array.isArray(value) && value.every(whole(0)), failingMs: whole(0), clock: present },
  },
  consumerReadiness: { make: consumerReadiness, needs: {}, kinds: { pausedMs: whole(0), clock: present } },
  segmentIds: {
    make: segmentIds,
    needs: { db: { query: nothing } },
    kinds: {
      db: query,
      schema: text,
      segmentSize: whole(1, 4_096),
      ahead: whole(1, 1_000),
      timeoutMs: timer,
      retryMs: span(1),
      clock,
      random: callable,
    },
  },
  withFallback: {
    make: (options: never) => withFallback(ids, ids, options),
    needs: {},
    kinds: { failures: whole(1), restMs: whole(1), clock: present, logger, onEvent: callable },
  },
  memoryTransport: {
    make: memoryTransport,
    needs: {},
    kinds: {
      partitions: whole(1, 10_000),
      maxRecordBytes: whole(0),
      missingTopics: oneOf('create', 'refuse'),
      retentionMs: whole(-1),
      clock,
    },
  },
  defineMessages: {
    make: defineMessages,
    needs: { made: contract },
    kinds: { made: shaped({ topic: text, schema: object, key: callable }) },
  },
}
