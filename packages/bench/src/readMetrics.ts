import { prometheusMetrics } from '@oncebox/ops/prometheus'
import type { RelayEvent } from '@oncebox/relay'
import type pg from 'pg'
import { collectDefaultMetrics, type OpenMetricsContentType, Registry } from 'prom-client'

/** Prometheus reads every fifteen seconds by default, and a drain is over by then: here it is every second. */
const everyMs = 1_000

export interface ReadMetrics {
  readonly relay: (event: RelayEvent) => void
  /** Reads them once more, and no more then. */
  stop(): Promise<void>
}

/** Everything that `oncebox relay --http-port` counts, read as a Prometheus in a hurry would. */
export function readMetrics(pool: pg.Pool): ReadMetrics {
  const registry = new Registry<OpenMetricsContentType>()
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
  collectDefaultMetrics({ register: registry })
  const metrics = prometheusMetrics({ registry })
  metrics.database({ tx: pool })
  let reading: Promise<unknown> = metrics.text()
  const timer = setInterval(() => {
    reading = reading.then(() => metrics.text())
  }, everyMs)
  return {
    relay: metrics.relay,
    async stop() {
      clearInterval(timer)
      await reading
      const text = await metrics.text()
      if (!/^oncebox_relay_published_messages_total\{lane="0"\} [1-9]/m.test(text))
        throw new Error('nothing was counted')
    },
  }
}
