import type { ConnectionOptions } from 'node:tls'
import { checkSettings, kinds, type Logger, OnceboxError, type SettingKinds, silentLogger } from '@oncebox/core'
import type { Kafka, SASLOptions } from 'kafkajs'

/** How much, how often and how long; what is left out suits most. */
export interface KafkajsTuning {
  /** Milliseconds a group member may be silent before its partitions go to others; default 30,000. */
  readonly sessionTimeoutMs?: number
  /** Milliseconds between heartbeats, also while a batch runs; default a tenth of the session timeout, at most 3,000. */
  readonly heartbeatIntervalMs?: number
  /** Milliseconds a running batch may go on after a rebalance began, before its signal aborts; default 60,000. */
  readonly rebalanceTimeoutMs?: number
  /** Partitions of one subscription whose batches run at the same time; default 4. */
  readonly partitionsAtOnce?: number
  /** Longest wait of a fetch, in milliseconds, and so of what a pause or seek takes to be noticed; default 250. */
  readonly maxWaitMs?: number
  /**
   * Bytes of one partition's records in one request; default 1,000,000, which is below the `max.message.bytes` a
   * topic has unless somebody changed it. A call with more goes out in several requests.
   */
  readonly maxBatchBytes?: number
  /** Milliseconds a request may take before it counts as failed; default 15,000. */
  readonly requestTimeoutMs?: number
  /** Takes what kafkajs logs for publisher and administration; consumers log to their own. Default silent. */
  readonly logger?: Logger
}

/** Brokers to connect to, and how. */
export interface KafkajsConnection extends KafkajsTuning {
  /** `host:port` of some brokers. */
  readonly brokers: readonly string[]
  /** How brokers name this client in logs and quotas. Default `oncebox`. */
  readonly clientId?: string
  /** TLS: true, or its options. Certificates are verified unless the options say otherwise. Default false. */
  readonly ssl?: boolean | ConnectionOptions
  /** How to log in. Default: without. */
  readonly sasl?: SASLOptions
  /** Allows SASL mechanisms that hand the secret over (PLAIN, OAUTHBEARER) without TLS. Default false. */
  readonly allowPlaintextSasl?: boolean
  /** Milliseconds to connect to one broker; default 3,000. */
  readonly connectionTimeoutMs?: number
}

/**
 * An existing kafkajs client; its own settings for retries and logs apply. kafkajs shares committed offsets between
 * the consumers of a client, so one client serves one subscription a group.
 */
export interface KafkajsClient extends KafkajsTuning {
  readonly client: Kafka
}

/** Brokers to connect to, or a client that knows them. */
export type KafkajsOptions = KafkajsConnection | KafkajsClient

export type Tuning = Required<KafkajsTuning>

const kafkajsClient = kinds.withMethods('a client of kafkajs', 'producer', 'consumer', 'admin')

const settingKinds: SettingKinds<KafkajsConnection> = {
  brokers: kinds.listOf(kinds.text),
  clientId: kinds.text,
  ssl: kinds.either(kinds.flag, kinds.object),
  sasl: kinds.shaped({ mechanism: kinds.text }, ['mechanism']),
  allowPlaintextSasl: kinds.flag,
  connectionTimeoutMs: kinds.milliseconds(1),
  requestTimeoutMs: kinds.milliseconds(1),
  maxBatchBytes: kinds.count(1),
  sessionTimeoutMs: kinds.milliseconds(1),
  heartbeatIntervalMs: kinds.milliseconds(1),
  rebalanceTimeoutMs: kinds.milliseconds(1),
  partitionsAtOnce: kinds.count(1),
  maxWaitMs: kinds.milliseconds(1),
  logger: kinds.logger,
}

/** The tuning with its defaults. @throws OnceboxError `INVALID_SETTING`. */
export function resolveTuning(options: KafkajsOptions): Tuning {
  checkSettings('kafkajs', options, settingKinds)
  if ('client' in options) checkSettings('kafkajs', options, { client: kafkajsClient }, ['client'])
  const sessionTimeoutMs = options.sessionTimeoutMs ?? 30_000
  const heartbeatIntervalMs = options.heartbeatIntervalMs ?? Math.min(3000, Math.ceil(sessionTimeoutMs / 10))
  if (heartbeatIntervalMs * 2 > sessionTimeoutMs) {
    throw new OnceboxError('INVALID_SETTING', 'heartbeatIntervalMs is more than half of sessionTimeoutMs', {
      next: 'Leave it out, or make it a third of the session timeout or less.',
    })
  }
  return {
    sessionTimeoutMs,
    heartbeatIntervalMs,
    rebalanceTimeoutMs: options.rebalanceTimeoutMs ?? 60_000,
    partitionsAtOnce: options.partitionsAtOnce ?? 4,
    maxWaitMs: options.maxWaitMs ?? 250,
    maxBatchBytes: options.maxBatchBytes ?? 1_000_000,
    requestTimeoutMs: options.requestTimeoutMs ?? 15_000,
    logger: options.logger ?? silentLogger,
  }
}

/** @throws OnceboxError `INVALID_SETTING` for brokers nobody can connect to, and secrets sent in the clear. */
export function checkConnection(options: KafkajsConnection): void {
  const { brokers, ssl, sasl } = options
  if (!Array.isArray(brokers) || brokers.length === 0) {
    throw new OnceboxError('INVALID_SETTING', 'No Kafka brokers are given', { next: 'Give at least one host:port.' })
  }
  const bad = brokers.findIndex((broker) => {
    const port = Number(/^[^\s:/@]+:(\d{1,5})$/.exec(broker)?.[1])
    return !(port >= 1 && port <= 65_535)
  })
  if (bad >= 0) {
    // Not quoted: a URL with a password in it may have been put there.
    throw new OnceboxError('INVALID_SETTING', `Kafka broker number ${bad + 1} is not of the form host:port`, {
      next: 'Give host and port only; credentials belong into sasl.',
    })
  }
  const revealing = sasl !== undefined && ['plain', 'oauthbearer'].includes(sasl.mechanism)
  const encrypted = ssl !== undefined && ssl !== false
  if (revealing && !encrypted && options.allowPlaintextSasl !== true) {
    throw new OnceboxError('INVALID_SETTING', `SASL ${sasl.mechanism} without TLS would send the secret in the clear`, {
      next: 'Set ssl, use SCRAM, or set allowPlaintextSasl: true where the network is trusted.',
    })
  }
}
