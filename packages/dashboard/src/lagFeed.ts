import { type ConsumerLag, consumerLag } from '@oncebox/ops'
import type { Inspector } from '@oncebox/transport'
import type { Sessions } from './sessions.js'

/** The newest known lag; asking it has a newer one looked up. Null: not known. */
export type LagFeed = () => readonly ConsumerLag[] | null

const noBrokers: LagFeed = () => null

/** Brokers answer when they answer: a picture never waits for them, and holds no transaction open meanwhile. */
export function createLagFeed(sessions: Sessions, schema: string, inspector: Inspector | null): LagFeed {
  if (inspector === null) return noBrokers
  let newest: readonly ConsumerLag[] | null = null
  let asking = false
  const ask = async (): Promise<void> => {
    asking = true
    // Brokers that do not answer are no reason to show nothing; the doctor says more about them.
    newest = await sessions.bare((tx) => consumerLag(tx, { schema, inspector })).catch(() => null)
    asking = false
  }
  return () => {
    if (!asking) void ask()
    return newest
  }
}
