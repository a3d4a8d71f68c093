import { randomUUID } from 'node:crypto'
import type { Replaying } from './replaying.js'
import type { ReplayProgress } from './replayProgress.js'

interface Running {
  progress: ReplayProgress
  cancelled: boolean
}

/** What is asked for, and by whom. */
export type Asked = Pick<ReplayProgress, 'by' | 'group' | 'messages' | 'exact'>

export interface Replays {
  /** Starts with the steps of `replaying`, `rate` messages a second. */
  start(asked: Asked, replaying: Replaying, rate: number): ReplayProgress
  list(): ReplayProgress[]
  /** False when there is none of that id that runs. */
  cancel(id: string): boolean
}

const remembered = 20
const largestStep = 500
const stepsPerSecond = 10

/** Replays of this process, the newest first; what is cancelled or fails half way says where the command goes on. */
export function createReplays(): Replays {
  const known = new Map<string, Running>()

  const run = async (job: Running, replaying: Replaying, rate: number): Promise<void> => {
    const limit = Math.max(1, Math.min(largestStep, Math.floor(rate / stepsPerSecond)))
    let copied = 0
    let more = true
    const say = (state: ReplayProgress['state']) => {
      job.progress = { ...job.progress, state, copied, goOn: more ? replaying.goOn() : null }
    }
    try {
      while (more && !job.cancelled) {
        const began = performance.now()
        const step = await replaying.step(limit)
        copied += step.copied
        more = step.more
        say('running')
        const dueMs = (step.copied / rate) * 1000 - (performance.now() - began)
        if (more && dueMs > 0) await new Promise((resolve) => setTimeout(resolve, dueMs))
      }
      say(more ? 'cancelled' : 'done')
    } catch {
      say('failed')
    }
  }

  return {
    start(asked, replaying, rate) {
      const id = randomUUID()
      const job: Running = {
        cancelled: false,
        progress: { ...asked, id, state: 'running', copied: 0, goOn: null },
      }
      known.set(id, job)
      for (const old of [...known.keys()].slice(0, -remembered)) known.delete(old)
      void run(job, replaying, rate)
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
