import { type Clock, type Logger, systemClock, type Tx } from '@oncebox/core'
import { defaultSchema, quoteSchema } from '@oncebox/schema'
import { limitsOf } from '../doctor/doctor.js'
import { createFactReader } from '../doctor/factReader.js'
import { type DatabasePart, type DatabaseSource, parts } from './databaseParts.js'
import type { Instruments } from './instruments.js'
import type { Series } from './metricList.js'

/** Which database, and how often it is looked at. */
export interface DatabaseOptions {
  /** A pool does: each statement runs by itself. */
  readonly tx: Tx
  /** Default `oncebox`. */
  readonly schema?: string
  /** How long the relay keeps published messages, in milliseconds. Default 3 days. */
  readonly retentionMs?: number
  /** For how long what was read is told again, in milliseconds. Default 10,000. */
  readonly maxAgeMs?: number
  /** How long a reader of the metrics waits for the database, in milliseconds. Default 3,000. */
  readonly deadlineMs?: number
  /** Default: the machine's. */
  readonly clock?: Clock
}

const names = Object.keys(parts) as DatabasePart[]

/**
 * Returns what brings the gauges of a database up to date: one reading at a time, however many ask, and none before
 * `maxAgeMs` have passed. A part that cannot be read has no series, rather than old ones. Never rejects.
 *
 * @throws OnceboxError `INVALID_SETTING` for an unusable schema name.
 */
export function databaseReading(
  instruments: Instruments,
  options: DatabaseOptions,
  logger: Logger,
): () => Promise<void> {
  const { tx, schema = defaultSchema, maxAgeMs = 10_000, deadlineMs = 3_000, clock = systemClock } = options
  quoteSchema(schema)
  const limits = limitsOf(options.retentionMs === undefined ? {} : { retentionMs: options.retentionMs })
  const unused = { inspector: null, now: () => clock.now(), sleep: (ms: number) => clock.sleep(ms) }
  let current: Promise<void> | undefined
  let readAt = Number.NEGATIVE_INFINITY

  async function readAll(): Promise<void> {
    const source = { tx, schema, limits, facts: createFactReader({ tx, schema, limits, ...unused }) }
    const readable: Series[] = []
    for (const part of names) readable.push({ labels: { part }, value: (await readPart(part, source)) ? 1 : 0 })
    instruments.replace('oncebox_database_readable', readable)
    readAt = clock.now()
  }

  async function readPart(part: DatabasePart, source: DatabaseSource): Promise<boolean> {
    const { gauges, read } = parts[part]
    try {
      const series = await read(source)
      for (const gauge of gauges) instruments.replace(gauge, series[gauge] ?? [])
      return true
    } catch (error) {
      for (const gauge of gauges) instruments.replace(gauge, [])
      logger.debug({ part, error: error instanceof Error ? error.name : typeof error }, 'not read for metrics')
      return false
    }
  }

  function nothingKnown(): void {
    for (const part of names) for (const gauge of parts[part].gauges) instruments.replace(gauge, [])
    instruments.replace(
      'oncebox_database_readable',
      names.map((part) => ({ labels: { part }, value: 0 })),
    )
  }

  return async () => {
    if (current === undefined && clock.now() - readAt < maxAgeMs) return
    current ??= readAll().finally(() => {
      current = undefined
    })
    const waiting = new AbortController()
    const late = clock.sleep(deadlineMs, waiting.signal).then(() => true)
    const isLate = await Promise.race([current.then(() => false), late])
    waiting.abort()
    if (isLate) nothingKnown()
  }
}
