import type { FlowCounters } from '@oncebox/ops'
import type { Overview } from './picture.js'

export interface WatchOptions {
  /** Takes a picture; `before` are the counters of an earlier one, for rates. */
  readonly look: (before: FlowCounters | null) => Promise<Overview>
  /** Pause between two pictures, in milliseconds. */
  readonly everyMs: number
}

/** Told a picture, or that none could be taken. */
export interface Watcher {
  readonly onOverview: (overview: Overview) => void
  readonly onFailure: (error: unknown) => void
}

export interface Watch {
  /** Tells from now on, beginning with the newest picture if it is fresh. Returns how to stop. */
  join(watcher: Watcher): () => void
}

/** Rates are over this many pictures: the difference of two in a row jumps about. */
const span = 4

/** Looks while somebody watches, once for everybody, and not at all otherwise. */
export function createWatch({ look, everyMs }: WatchOptions): Watch {
  const watchers = new Set<Watcher>()
  let counters: FlowCounters[] = []
  let newest: Overview | null = null
  let timer: NodeJS.Timeout | undefined
  let looking = false

  const turn = async (): Promise<void> => {
    looking = true
    try {
      const overview = await look(counters[0] ?? null)
      counters = [...counters.slice(1 - span), overview.flow]
      newest = overview
      for (const watcher of watchers) watcher.onOverview(overview)
    } catch (error) {
      for (const watcher of watchers) watcher.onFailure(error)
    } finally {
      looking = false
      if (watchers.size > 0) timer = setTimeout(turn, everyMs)
      else counters = []
    }
  }

  return {
    join(watcher) {
      watchers.add(watcher)
      if (watchers.size === 1) {
        newest = null
        clearTimeout(timer)
        if (!looking) void turn()
      } else if (newest !== null) watcher.onOverview(newest)
      return () => {
        watchers.delete(watcher)
        if (watchers.size === 0) clearTimeout(timer)
      }
    },
  }
}
