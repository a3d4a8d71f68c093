import { type Logger, OnceboxError, silentLogger } from '@oncebox/core'
import type { FallbackEvent } from '@oncebox/guards'
import type { ConsumerEvent } from '@oncebox/inbox'
import type { RelayEvent } from '@oncebox/relay'
import { consumerUpdates } from './consumerUpdates.js'
import { type DatabaseOptions, databaseReading } from './databaseReading.js'
import { idUpdates } from './idUpdates.js'
import { boundedInstruments, type Instruments } from './instruments.js'
import type { MetricUpdate } from './metricList.js'
import { relayUpdates } from './relayUpdates.js'

/** Takes what relays, consumers and id sources tell, and looks into databases when it is read. */
export interface Metrics {
  /** For `createRelay({ onEvent })`, of any number of lanes. */
  readonly relay: (event: RelayEvent) => void
  /** For `createConsumer({ onEvent })` of that group. */
  consumer(group: string): (event: ConsumerEvent) => void
  /** For `withFallback(…, { onEvent })`; `source` tells id sources of one process apart. Default `default`. */
  ids(source?: string): (event: FallbackEvent) => void
  /**
   * Adds what `oncebox status` knows of a database: it is looked at when the metrics are read, at most every `maxAgeMs`, with
   * plain queries on `tx`, which must not be a transaction that stays open. What its user may not read is left out.
   *
   * @throws OnceboxError `INVALID_SETTING` for an unusable schema name, or the second time.
   */
  database(options: DatabaseOptions): void
}

/** Metrics on these instruments. @throws nothing; a value that the library refuses is logged. */
export function metricsOn(instruments: Instruments, logger: Logger = silentLogger): Metrics {
  const bounded = boundedInstruments(instruments)
  let hasDatabase = false
  const record = (updates: readonly MetricUpdate[]) => {
    try {
      for (const { metric, value, labels, trace } of updates) bounded.record(metric, value, labels, trace ?? null)
    } catch (error) {
      logger.error({ error: error instanceof Error ? error.name : typeof error }, 'a metric was not taken')
    }
  }
  return {
    relay: (event) => record(relayUpdates(event)),
    consumer: (group) => (event) => record(consumerUpdates(group, event)),
    ids: (source = 'default') => {
      record([{ metric: 'oncebox_ids_degraded', value: 0, labels: { source } }])
      return (event) => record(idUpdates(source, event))
    },
    database(options) {
      if (hasDatabase) {
        throw new OnceboxError('INVALID_SETTING', 'These metrics look into a database already', {
          next: 'Make metrics of their own, in a registry of their own, for each further database.',
        })
      }
      hasDatabase = true
      bounded.beforeReading(databaseReading(bounded, options, logger))
    },
  }
}
