import type { Logger } from '@oncebox/core'
import kafkajs, { type Kafka, type RetryOptions } from 'kafkajs'
import { clientLogger } from './clientLogger.js'
import { checkConnection, type KafkajsOptions, type Tuning } from './options.js'
import { mendRequestTimers } from './requestTimers.js'
import { mendResponseBuffers } from './responseBuffers.js'

/** Small and bounded: whoever publishes or consumes retries by itself, and must learn soon that a broker is away. */
export const briefRetry: RetryOptions = {
  initialRetryTime: 100,
  maxRetryTime: 1000,
  multiplier: 2,
  factor: 0.2,
  retries: 2,
}

/** Makes kafkajs clients: a new one each time from settings, always the same one where the caller brought his own. */
export class ClientFactory {
  readonly #options: KafkajsOptions
  readonly #tuning: Tuning

  constructor(options: KafkajsOptions, tuning: Tuning) {
    if (!('client' in options)) checkConnection(options)
    mendRequestTimers()
    mendResponseBuffers()
    this.#options = options
    this.#tuning = tuning
  }

  /** True when every `client` is the same: the one that the caller brought. */
  get shared(): boolean {
    return 'client' in this.#options
  }

  client(logger: Logger): Kafka {
    const options = this.#options
    if ('client' in options) return options.client
    return new kafkajs.Kafka({
      brokers: [...options.brokers],
      clientId: options.clientId ?? 'oncebox',
      ...(options.ssl === undefined ? {} : { ssl: options.ssl }),
      ...(options.sasl === undefined ? {} : { sasl: options.sasl }),
      connectionTimeout: options.connectionTimeoutMs ?? 3000,
      requestTimeout: this.#tuning.requestTimeoutMs,
      enforceRequestTimeout: true,
      retry: briefRetry,
      logLevel: kafkajs.logLevel.INFO,
      logCreator: clientLogger(logger),
    })
  }
}
