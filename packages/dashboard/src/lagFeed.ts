import { type ConsumerLag, consumerLag } from '@oncebox/ops'
import type { Inspector } from '@oncebox/transport'
import { everywhere, type NamedDatabase } from './databases.js'
import type { Placed } from './picture.js'

/** The newest known lag; asking it has a newer one looked up. Null: not known. */
export type LagFeed = () => readonly Placed<ConsumerLag>[] | null

const noBrokers: LagFeed = () => null

/** Brokers answer when they answer: a picture never waits for them, and holds no transaction open meanwhile. */
export function createLagFeed(
  databases: readonly NamedDatabase[],
  schema: string,
  inspector: Inspector | null,
): LagFeed {
  if (inspector === null) return noBrokers
  let newest: readonly Placed<ConsumerLag>[] | null = null
  let asking = false
  const ask = async (): Promise<void> => {
    asking = true
    // Brokers that do not answer are no reason to show nothing; the doctor says more about them.
    newest = await everywhere(databases, (sessions) =>
      sessions.bare((tx) => consumerLag(tx, { schema, inspector })),
    ).catch(() => null)
    asking = false
  }
  return () => {
    if (!asking) void ask()
    return newest
  }
}
