import { type FlowCounters, flowRates, readFlow, type Status, status } from '@oncebox/ops'
import type { NamedDatabase } from './databases.js'
import { failureOf } from './failures.js'
import type { Overview, Placed } from './picture.js'

export interface OverviewOptions {
  readonly schema: string
  readonly retentionMs?: number
  readonly lag: Overview['lag']
  readonly annotations: Overview['annotations']
  /** The counters of an earlier picture. */
  readonly before: FlowCounters | null
}

interface Part {
  readonly status: Status
  readonly flow: FlowCounters
}

/** Reads every database, each in a transaction of its own; the cost does not depend on what is retained. */
export async function readOverview(databases: readonly NamedDatabase[], options: OverviewOptions): Promise<Overview> {
  const { schema, lag, annotations, before } = options
  const retention = options.retentionMs === undefined ? {} : { retentionMs: options.retentionMs }
  const read = ({ sessions }: NamedDatabase): Promise<Part> =>
    sessions.reading(async (tx) => ({
      status: await status(tx, { schema, ...retention }),
      flow: await readFlow(tx, { schema }),
    }))
  const [main, ...others] = databases as readonly [NamedDatabase, ...NamedDatabase[]]
  // Without the first there is no picture; one of the others that is away is a problem in it.
  const [first, ...rest] = await Promise.all([read(main), ...others.map((one) => read(one).catch(failureOf))])
  const parts = [
    { name: main.name, ...first },
    ...others.flatMap(({ name }, place) => {
      const part = rest[place]
      return part !== undefined && 'flow' in part ? [{ name, ...part }] : []
    }),
  ]
  const away = others.flatMap(({ name }, place) => {
    const failure = rest[place]
    if (failure === undefined || 'flow' in failure) return []
    return [
      { database: name, code: failure.code, what: `Database "${name}": ${failure.what}.`, next: failure.next ?? '' },
    ]
  })
  const handled = Object.assign({}, ...parts.map(({ flow }) => flow.handled)) as FlowCounters['handled']
  // Without one of the databases, the difference to a picture with it would be no rate.
  const effects = away.length > 0 ? null : String(parts.reduce((sum, { flow }) => sum + BigInt(flow.effects ?? 0), 0n))
  const flow = { ...first.flow, handled, effects }
  const placed = <T extends object>(pick: (status: Status) => readonly T[]): Placed<T>[] =>
    parts.flatMap(({ name, status: one }) => pick(one).map((found) => ({ ...found, database: name })))
  return {
    atMs: flow.atMs,
    lanes: first.status.lanes,
    paused: first.status.paused,
    leaves: placed((one) => one.leaves),
    consumers: placed((one) => one.consumers),
    problems: [...placed((one) => one.problems), ...away],
    flow,
    rates: before === null ? null : flowRates(before, flow),
    lag,
    annotations,
  }
}
