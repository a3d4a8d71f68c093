import type { Logger } from '@oncebox/core'
import { databaseReadiness, operations, relayReadiness } from '@oncebox/ops'
import { prometheusMetrics } from '@oncebox/ops/prometheus'
import type { RelayEvent } from '@oncebox/relay'
import { collectDefaultMetrics, type OpenMetricsContentType, Registry } from 'prom-client'
import type { RelayFlags } from '../verbs/relay.js'
import { closeWithin } from './closeWithin.js'
import { openDatabase, runsOn } from './database.js'
import { openInspector } from './inspector.js'
import { serveOperations } from './operationsServer.js'

/** What `--http-port` serves about the relays of this process. */
export interface RelayOperations {
  readonly onEvent: (event: RelayEvent) => void
  close(): Promise<void>
}

const closeMs = 1_000

/** Opens connections of its own: probes must not wait for those of a relay. @throws as `openDatabase`, `serveOperations`. */
export async function openRelayOperations(
  port: number,
  flags: RelayFlags,
  parts: { readonly lanes: readonly number[]; readonly stop: AbortSignal; readonly logger: Logger },
): Promise<RelayOperations> {
  const { lanes, stop, logger } = parts
  const database = await openDatabase(flags, 'metrics', runsOn)
  const closeDatabase = () => closeWithin(closeMs, 'the connections for metrics', () => database.end(), logger)
  const inspector = await openInspector(flags, logger)
  const closeInspector = () => closeWithin(closeMs, 'the brokers for metrics', async () => inspector?.close(), logger)
  try {
    const registry = new Registry<OpenMetricsContentType>()
    registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
    collectDefaultMetrics({ register: registry })
    const metrics = prometheusMetrics({ registry, logger })
    metrics.database({ tx: database.pool, schema: flags.schema, inspector })
    const relay = relayReadiness({ lanes })
    const process = { name: 'process', check: () => (stop.aborted ? 'is stopping' : null) }
    const ready = [process, relay, databaseReadiness(database.pool)]
    const served = operations({ ready, metrics, logger })
    const server = await serveOperations(served, { host: flags.httpHost, port }, logger)
    return {
      onEvent(event) {
        metrics.relay(event)
        relay.onEvent(event)
      },
      async close() {
        await server.close()
        await closeInspector()
        await closeDatabase()
      },
    }
  } catch (error) {
    await closeInspector()
    await closeDatabase()
    throw error
  }
}
