import type { ModelBroker } from './modelBroker.js'
import type { ModelDatabase } from './modelDatabase.js'
import type { modelPool } from './modelPool.js'
import type { SimulatedProcess } from './process.js'
import { prune } from './pruner.js'
import type { DaysPlan } from './schedule.js'
import type { Timeline } from './timeline.js'

/** How long what comes again is given to come, in milliseconds. */
const comesMs = 250

/** Days pass at the inbox's database, ids are forgotten, and records come again. Answers when all of that is over. */
export function daysPass(
  { jumps, prunes, replays }: DaysPlan,
  parts: {
    readonly database: ModelDatabase
    readonly broker: ModelBroker
    readonly timeline: Timeline
    readonly process: SimulatedProcess
    readonly pool: ReturnType<typeof modelPool>
    readonly tell: (what: string) => void
  },
): number {
  const { database, broker, timeline, process, pool, tell } = parts
  database.inboxIsReclaimed = true
  for (const { at, aheadDays } of jumps) {
    timeline.after(at, () => {
      tell(`the inbox's clock is ${aheadDays} days ahead`)
      database.clockAheadMs = aheadDays * 86_400_000
    })
  }
  for (const at of prunes) process.after(at, () => void prune(pool, tell))
  for (const at of replays) timeline.after(at, () => broker.replay())
  return Math.max(0, ...[...jumps.map(({ at }) => at), ...prunes, ...replays].map((at) => at + comesMs))
}
