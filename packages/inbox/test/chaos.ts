import { pgDatabase } from '@oncebox/core/pg'
import type { TestDatabase } from '@oncebox/testkit/harness'
import pg from 'pg'
import { consumerUrl } from './fixture.js'

/** A generator with a seed (mulberry32), so that a run can be had again. */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

/** A database handle of its own connections, which `killing` finds by their name. */
export function ownDatabase(database: TestDatabase, closes: (() => Promise<unknown>)[]) {
  const own = new pg.Pool({ connectionString: consumerUrl(database), max: 4, application_name: 'racing' })
  closes.push(() => own.end())
  return pgDatabase(own)
}

/** Then it leaves them alone: on a slow machine hardly any transaction gets through between two. */
const mostKills = 150

/** Terminates a random session of `ownDatabase` again and again, until the answer is called; it resolves to how many. */
export function killing(database: TestDatabase, random: () => number): () => Promise<number> {
  let over = false
  let killed = 0
  const killer = (async () => {
    while (!over && killed < mostKills) {
      const { rowCount } = await database.pool.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE application_name = 'racing' AND datname = current_database() ORDER BY random() LIMIT 1`,
      )
      killed += rowCount ?? 0
      // The time between two kills.
      await new Promise((resolve) => setTimeout(resolve, 20 + random() * 60))
    }
  })()
  return async () => {
    over = true
    await killer
    return killed
  }
}
