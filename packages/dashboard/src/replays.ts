import { randomUUID } from 'node:crypto'
import { type PlannedReplay, replayStep } from '@oncebox/ops'
import type { ReplayProgress } from './replayProgress.js'
import type { Sessions } from './sessions.js'

interface Running {
  progress: ReplayProgress
  cancelled: boolean
}

export interface Replays {
  /** Starts copying, `rate` messages a second. */
  start(plan: PlannedReplay, by: string, rate: number): ReplayProgress
  list(): ReplayProgress[]
  /** False when there is none of that id that runs. */
  cancel(id: string): boolean
}

const remembered = 20
const largestStep = 500
const stepsPerSecond = 10

/** Replays of this process, the newest first; what is cancelled or fails half way says where the command goes on. */
export function createReplays(sessions: Sessions): Replays {
  const known = new Map<string, Running>()

  const run = async (job: Running, plan: PlannedReplay, rate: number): Promise<void> => {
    const seen = new Set<string>()
    const limit = Math.max(1, Math.min(largestStep, Math.floor(rate / stepsPerSecond)))
    let after: string | null = plan.after
    const rest = () => (after === null ? null : { after, before: plan.before })
    const say = (state: ReplayProgress['state']) => {
      job.progress = { ...job.progress, state, copied: seen.size, rest: rest() }
    }
    try {
      while (after !== null && !job.cancelled) {
        const began = performance.now()
        const from: string = after
        const step = await sessions.writing((tx) => replayStep(tx, { ...plan, after: from }, limit, seen))
        after = step.after
        say('running')
        const dueMs = (step.copied.length / rate) * 1000 - (performance.now() - began)
        if (after !== null && dueMs > 0) await new Promise((resolve) => setTimeout(resolve, dueMs))
      }
      say(after === null ? 'done' : 'cancelled')
    } catch {
      say('failed')
    }
  }

  return {
    start(plan, by, rate) {
      const id = randomUUID()
      const job: Running = {
        cancelled: false,
        progress: { id, by, state: 'running', copied: 0, messages: plan.messages, rest: null },
      }
      known.set(id, job)
      for (const old of [...known.keys()].slice(0, -remembered)) known.delete(old)
      void run(job, plan, rate)
      return job.progress
    },
    list: () => [...known.values()].map(({ progress }) => progress).reverse(),
    cancel(id) {
      const job = known.get(id)
      if (job === undefined || job.progress.state !== 'running') return false
      job.cancelled = true
      return true
    },
  }
}
