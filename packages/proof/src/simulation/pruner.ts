import { pgDatabase } from '@oncebox/core/pg'
import { reclaimInbox } from '@oncebox/inbox'
import type { Pool } from 'pg'
import type { modelPool } from './modelPool.js'

/** Gives storage of the inbox back, as consumers do now and then and `oncebox prune` does. */
export async function prune(pool: ReturnType<typeof modelPool>, tell: (what: string) => void): Promise<void> {
  try {
    // The model has what pgDatabase uses of a pool.
    const { ran, leaves } = await reclaimInbox({ db: pgDatabase(pool as unknown as Pool) })
    tell(`the inbox is pruned: ${ran ? leaves.join(' ') || 'nothing to give back' : 'somebody else is at it'}`)
  } catch (error) {
    tell(`the inbox cannot be pruned: ${error instanceof Error ? error.name : typeof error}`)
  }
}
