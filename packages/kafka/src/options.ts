import type { ConnectionOptions as TlsOptions } from 'node:tls'
import {
  type Clock,
  checkSettings,
  kinds,
  type Logger,
  OnceboxError,
  type SettingKinds,
  silentLogger,
  systemClock,
} from '@oncebox/core'
import { type Base, type Broker, type ConnectionOptions, kOptions } from '@platformatic/kafka'

/** How to log in. Mechanisms are spelled as the kafkajs adapter spells them. */
export type KafkaSasl =
  | {
      readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
      readonly username: string
      readonly password: string
    }
  | { readonly mechanism: 'oauthbearer'; readonly oauthBearerProvider: () => Promise<{ readonly value: string }> }

/** How much, how often and how long; what is left out suits most. */
export interface KafkaTuning {
  /** Milliseconds a request may take, replication included, before it counts as unanswered; default 15,000. */
  readonly requestTimeoutMs?: number
  /** Milliseconds after which records of a partition that gave no answer are `failed`; default 5,000. */
  readonly deliveryTimeoutMs?: number
  /**
   * Bytes of one partition's records in one request; default 1,000,000, which is below the `max.message.bytes` a
   * topic has unless somebody changed it. A call with more goes out in several requests.
   */
  readonly maxBatchBytes?: number
  /** Of record batches on their way out. Default `none`; the others cost this process CPU and save network and disk. */
  readonly compression?: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'
  /** Milliseconds a group member may be silent before its partitions go to others; default 30,000. */
  readonly sessionTimeoutMs?: number
  /** Milliseconds between heartbeats, also while a batch runs; default a tenth of the session timeout, at most 3,000. */
  readonly heartbeatIntervalMs?: number
  /** Milliseconds a running batch may go on after a rebalance began, before its signal aborts; default 60,000. */
  readonly rebalanceTimeoutMs?: number
  /** Partitions of one subscription whose batches run at the same time; default 4. */
  readonly partitionsAtOnce?: number
  /** Longest wait of a fetch for new records, in milliseconds; default 250. */
  readonly maxWaitMs?: number
  /** Bytes of one partition in a fetch; default 1,048,576. A larger record batch still comes, alone. */
  readonly maxFetchBytes?: number
  /** Logs of publisher and administration; subscriptions log to their own. Default silent. */
  readonly logger?: Logger
  /** Default: the machine's. */
  readonly clock?: Clock
}

/** Brokers to connect to, and how. */
export interface KafkaConnection extends KafkaTuning {
  /** `host:port` of some brokers. */
  readonly brokers: readonly string[]
  /** How brokers name this client in logs and quotas. Default `oncebox`. */
  readonly clientId?: string
  /** TLS: true, or Node's TLS options. Certificates are verified unless these say otherwise. Default false. */
  readonly ssl?: boolean | TlsOptions
  /** How to log in. Default: without. */
  readonly sasl?: KafkaSasl
  /** Allows SASL mechanisms that hand the secret over (PLAIN, OAUTHBEARER) without TLS. Default false. */
  readonly allowPlaintextSasl?: boolean
  /** Milliseconds to connect to one broker; default 3,000. */
  readonly connectionTimeoutMs?: number
}

/**
 * An existing client of @platformatic/kafka, of any kind: its brokers, client id, TLS, SASL and connect timeout apply.
 * Connections are our own, since a request that gets no answer ends the one it went out on, and are ours to close; the
 * client itself is neither used nor closed.
 */
export interface KafkaClient extends KafkaTuning {
  readonly client: Base
}

/** Brokers to connect to, or a client that knows them. */
export type KafkaOptions = KafkaConnection | KafkaClient

export type Compression = NonNullable<KafkaOptions['compression']>

export interface Settings {
  readonly bootstrap: readonly Broker[]
  readonly clientId: string
  readonly connection: ConnectionOptions
  readonly requestTimeoutMs: number
  readonly deliveryTimeoutMs: number
  readonly maxBatchBytes: number
  readonly compression: Compression
  readonly sessionTimeoutMs: number
  readonly heartbeatIntervalMs: number
  readonly rebalanceTimeoutMs: number
  readonly partitionsAtOnce: number
  readonly maxWaitMs: number
  readonly maxFetchBytes: number
  readonly logger: Logger
  readonly clock: Clock
}

const settingKinds: SettingKinds<KafkaConnection> = {
  brokers: kinds.listOf(kinds.text),
  clientId: kinds.text,
  ssl: kinds.either(kinds.flag, kinds.object),
  sasl: kinds.shaped({
    mechanism: kinds.oneOf('plain', 'scram-sha-256', 'scram-sha-512', 'oauthbearer'),
    username: kinds.text,
    password: kinds.text,
    oauthBearerProvider: kinds.callable,
  }),
  allowPlaintextSasl: kinds.flag,
  connectionTimeoutMs: kinds.milliseconds(1),
  requestTimeoutMs: kinds.milliseconds(1),
  deliveryTimeoutMs: kinds.milliseconds(1),
  maxBatchBytes: kinds.count(1),
  compression: kinds.oneOf('none', 'gzip', 'snappy', 'lz4', 'zstd'),
  sessionTimeoutMs: kinds.milliseconds(1),
  heartbeatIntervalMs: kinds.milliseconds(1),
  rebalanceTimeoutMs: kinds.milliseconds(1),
  partitionsAtOnce: kinds.count(1),
  maxWaitMs: kinds.milliseconds(1),
  maxFetchBytes: kinds.count(1),
  logger: kinds.logger,
  clock: kinds.clock,
}

/** The options with their defaults. @throws OnceboxError `INVALID_SETTING`, for secrets sent in the clear too. */
export function resolveSettings(options: KafkaOptions): Settings {
  checkSettings('kafka', options, settingKinds)
  const sessionTimeoutMs = options.sessionTimeoutMs ?? 30_000
  const heartbeatIntervalMs = options.heartbeatIntervalMs ?? Math.min(3_000, Math.ceil(sessionTimeoutMs / 10))
  if (heartbeatIntervalMs * 2 > sessionTimeoutMs) {
    throw invalid('heartbeatIntervalMs is more than half of sessionTimeoutMs', 'Leave it out, or make it a third.')
  }
  return {
    ...('client' in options ? settingsOf(options.client) : ownSettings(options)),
    requestTimeoutMs: options.requestTimeoutMs ?? 15_000,
    deliveryTimeoutMs: options.deliveryTimeoutMs ?? 5_000,
    maxBatchBytes: options.maxBatchBytes ?? 1_000_000,
    compression: options.compression ?? 'none',
    sessionTimeoutMs,
    heartbeatIntervalMs,
    rebalanceTimeoutMs: options.rebalanceTimeoutMs ?? 60_000,
    partitionsAtOnce: options.partitionsAtOnce ?? 4,
    maxWaitMs: options.maxWaitMs ?? 250,
    maxFetchBytes: options.maxFetchBytes ?? 1_048_576,
    logger: options.logger ?? silentLogger,
    clock: options.clock ?? systemClock,
  }
}

type Reach = Pick<Settings, 'bootstrap' | 'clientId' | 'connection'>

function ownSettings(options: KafkaConnection): Reach {
  return {
    bootstrap: parseBrokers(options.brokers),
    clientId: options.clientId ?? 'oncebox',
    connection: connectionOptions(options),
  }
}

/** What a client was made with. Its SASL and TLS were its owner's choice, and its requests may last as ours do. */
function settingsOf(client: Base): Reach {
  const settings = (client as Partial<Base> | undefined)?.[kOptions]
  if (settings === undefined) {
    throw invalid(
      'The client is none of the @platformatic/kafka that @oncebox/kafka uses',
      'Install the same version of it once, or give brokers instead of a client.',
    )
  }
  const { clientId, bootstrapBrokers, connectTimeout, tls, ssl, tlsServerName, sasl } = settings
  const connection = { connectTimeout, tls: tls ?? ssl, tlsServerName, sasl }
  return {
    bootstrap: bootstrapBrokers.flatMap((broker) =>
      typeof broker === 'string' ? parseBrokers([/:\d+$/.test(broker) ? broker : `${broker}:9092`]) : [broker],
    ),
    clientId,
    connection: Object.fromEntries(Object.entries(connection).filter(([, value]) => value !== undefined)),
  }
}

function parseBrokers(brokers: readonly string[]): Broker[] {
  if (!Array.isArray(brokers) || brokers.length === 0) {
    throw invalid('No Kafka brokers are given', 'Give at least one host:port.')
  }
  return brokers.map((broker: unknown, index) => {
    const match = typeof broker === 'string' ? /^(?:\[([^\]\s/@]+)\]|([^\s:/@]+)):(\d{1,5})$/.exec(broker) : null
    const port = Number(match?.[3])
    // Not quoted: a URL with a password in it may have been put there.
    if (match === null || port < 1 || port > 65_535) {
      throw invalid(
        `Kafka broker number ${index + 1} is not of the form host:port`,
        'Give host and port only; credentials belong into sasl.',
      )
    }
    return { host: (match[1] ?? match[2]) as string, port }
  })
}

function connectionOptions(options: KafkaConnection): ConnectionOptions {
  const { ssl, sasl } = options
  const tls = ssl === true ? {} : ssl === false ? undefined : ssl
  const revealing = sasl?.mechanism === 'plain' || sasl?.mechanism === 'oauthbearer'
  if (revealing && tls === undefined && options.allowPlaintextSasl !== true) {
    throw invalid(
      `SASL ${sasl.mechanism} without TLS would send the secret in the clear`,
      'Set ssl, use SCRAM, or set allowPlaintextSasl: true where the network is trusted.',
    )
  }
  return {
    connectTimeout: options.connectionTimeoutMs ?? 3_000,
    ...(tls === undefined ? {} : { tls }),
    ...(sasl === undefined ? {} : { sasl: login(sasl) }),
  }
}

const mechanisms = { plain: 'PLAIN', 'scram-sha-256': 'SCRAM-SHA-256', 'scram-sha-512': 'SCRAM-SHA-512' } as const

function login(sasl: KafkaSasl): NonNullable<ConnectionOptions['sasl']> {
  if (sasl.mechanism === 'oauthbearer') {
    if (sasl.oauthBearerProvider === undefined) {
      throw invalid('SASL oauthbearer is without an oauthBearerProvider', 'Give a function that resolves to a token.')
    }
    return { mechanism: 'OAUTHBEARER', token: async () => (await sasl.oauthBearerProvider()).value }
  }
  const mechanism = mechanisms[sasl.mechanism]
  if (mechanism === undefined) {
    throw invalid('The SASL mechanism is not known', 'Use plain, scram-sha-256, scram-sha-512 or oauthbearer.')
  }
  if (sasl.username === undefined || sasl.password === undefined) {
    throw invalid('SASL is without username or password', 'Give both.')
  }
  return { mechanism, username: sasl.username, password: sasl.password }
}

function invalid(what: string, next: string): OnceboxError {
  return new OnceboxError('INVALID_SETTING', what, { next })
}
