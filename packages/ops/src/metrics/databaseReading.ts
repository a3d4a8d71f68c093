import { type Clock, type Logger, systemClock, type Tx } from '@oncebox/core'
import { defaultSchema, quoteSchema } from '@oncebox/schema'
import type { Inspector } from '@oncebox/transport'
import { limitsOf } from '../doctor/doctor.js'
import { createFactReader } from '../doctor/factReader.js'
import { brokerParts, type DatabaseSource, type Part, parts } from './databaseParts.js'
import type { Instruments } from './instruments.js'
import type { Series } from './metricList.js'
import { readingAtMost } from './readingAtMost.js'

/** Which database, and how often it is looked at. */
export interface DatabaseOptions {
  /** A pool does: each statement runs by itself. */
  readonly tx: Tx
  /** Default `oncebox`. */
  readonly schema?: string
  /**
   * Tells the ends of partitions in Kafka, for `oncebox_group_unread_messages`: `kafkaInspector({ brokers })`. The caller
   * closes it. Default: none, and the gauge is absent.
   */
  readonly inspector?: Inspector | null
  /** How long the relay keeps published messages, in milliseconds. Default 3 days. */
  readonly retentionMs?: number
  /** For how long what was read is told again, in milliseconds. Default 10,000. */
  readonly maxAgeMs?: number
  /** How long a reader of the metrics waits for the database, in milliseconds. Default 3,000. */
  readonly deadlineMs?: number
  /** Default: the machine's. */
  readonly clock?: Clock
}

/**
 * Returns what brings the gauges of a database up to date: one reading at a time, however many ask, and none before
 * `maxAgeMs` have passed. A part that cannot be read has no series, rather than old ones. Never rejects. What is asked of the
 * brokers is a reading of its own: brokers that are away must not take what the database tells.
 *
 * @throws OnceboxError `INVALID_SETTING` for an unusable schema name.
 */
export function databaseReading(
  instruments: Instruments,
  options: DatabaseOptions,
  logger: Logger,
): () => Promise<void> {
  const { tx, schema = defaultSchema, inspector = null, clock = systemClock } = options
  const { maxAgeMs = 10_000, deadlineMs = 3_000 } = options
  quoteSchema(schema)
  const limits = limitsOf(options.retentionMs === undefined ? {} : { retentionMs: options.retentionMs })
  const unused = { inspector: null, now: () => clock.now(), sleep: (ms: number) => clock.sleep(ms) }
  const readable = new Map<string, Series>()

  async function readPart(name: string, { gauges, read }: Part, source: DatabaseSource): Promise<void> {
    try {
      const series = await read(source)
      for (const gauge of gauges) instruments.replace(gauge, series[gauge] ?? [])
      readable.set(name, { labels: { part: name }, value: 1 })
    } catch (error) {
      nothingKnown([[name, { gauges, read }]])
      logger.debug({ part: name, error: error instanceof Error ? error.name : typeof error }, 'not read for metrics')
    }
  }

  function nothingKnown(unknown: readonly (readonly [string, Part])[]): void {
    for (const [name, { gauges }] of unknown) {
      for (const gauge of gauges) instruments.replace(gauge, [])
      readable.set(name, { labels: { part: name }, value: 0 })
    }
  }

  const readingOf = (own: Readonly<Record<string, Part>>): (() => Promise<void>) => {
    const tell = () => instruments.replace('oncebox_database_readable', [...readable.values()])
    const read = async () => {
      const source = { tx, schema, limits, inspector, facts: createFactReader({ tx, schema, limits, ...unused }) }
      for (const [name, part] of Object.entries(own)) await readPart(name, part, source)
      tell()
    }
    const late = () => {
      nothingKnown(Object.entries(own))
      tell()
    }
    return readingAtMost({ read, late, maxAgeMs, deadlineMs, clock })
  }

  const readings = [readingOf(parts), ...(inspector === null ? [] : [readingOf(brokerParts)])]
  return async () => {
    await Promise.all(readings.map((reading) => reading()))
  }
}
