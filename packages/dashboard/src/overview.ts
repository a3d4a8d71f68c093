import type { Tx } from '@oncebox/core'
import {
  type ConsumerLag,
  type FlowCounters,
  type FlowRates,
  flowRates,
  readFlow,
  type Status,
  status,
} from '@oncebox/ops'

/** The whole picture at one moment; what the page is sent again and again. */
export interface Overview {
  /** Milliseconds since the Unix epoch, by the database's clock. */
  readonly atMs: number
  readonly status: Status
  readonly flow: FlowCounters
  /** Null for the first picture: a rate is the difference of two. */
  readonly rates: FlowRates | null
  /** Null when it is not known: no brokers were named, or they do not answer. */
  readonly lag: readonly ConsumerLag[] | null
}

export interface OverviewOptions {
  readonly schema: string
  readonly retentionMs?: number
  readonly lag: readonly ConsumerLag[] | null
  /** The counters of an earlier picture. */
  readonly before: FlowCounters | null
}

/** Reads on `tx`; the cost does not depend on what is retained. */
export async function readOverview(tx: Tx, options: OverviewOptions): Promise<Overview> {
  const { schema, lag, before } = options
  const retention = options.retentionMs === undefined ? {} : { retentionMs: options.retentionMs }
  const now = await status(tx, { schema, ...retention })
  const flow = await readFlow(tx, { schema })
  return { atMs: flow.atMs, status: now, flow, rates: before === null ? null : flowRates(before, flow), lag }
}
