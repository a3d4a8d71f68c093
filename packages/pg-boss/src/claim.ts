import type { Logger, WireRecord } from '@oncebox/core'
import type { Job } from 'pg-boss'
import type { RunningBoss } from './bossConnection.js'
import { failureCode } from './failures.js'
import { decodeJob, type JobData } from './job.js'

/** A job this worker holds: no other job of its key runs anywhere in the group until it is completed or released. */
export interface ClaimedJob {
  /** Names the attempt, so that a worker which lost its claim changes nothing. */
  readonly attempt: { readonly id: string; readonly retryCount: number }
  readonly record: WireRecord
  readonly bytes: number
  readonly heartbeatSeconds: number
}

/** Jobs of one queue, claimed together and kept alive until they are completed or released. */
export interface Claim {
  /** In order; completed ones are gone from it. */
  readonly jobs: readonly ClaimedJob[]
  /** Aborts when the jobs may be with another worker. */
  readonly lost: AbortSignal
  /** Completes the first `count`. @throws the driver's error; asking again is right. */
  complete(count: number): Promise<void>
  /**
   * Ends the signs of life and gives what is left back to the group, at once and in its place of the order. Where that
   * does not get through, the claim lapses. Idempotent.
   */
  release(): Promise<void>
}

/** Claims up to `limit` jobs: at most one a key, so that keys are served side by side and each strictly in order. */
export async function claimJobs(
  { boss }: RunningBoss,
  topic: string,
  queue: string,
  limit: number,
): Promise<ClaimedJob[]> {
  const jobs: Job<JobData>[] = await boss.fetch<JobData>(queue, { batchSize: limit })
  jobs.sort((a, b) => (a.id < b.id ? -1 : 1))
  return jobs.map((job) => {
    const record = { ...decodeJob(topic, job.data), redelivered: job.retryCount > 0 }
    return {
      attempt: { id: job.id, retryCount: job.retryCount },
      record,
      bytes: record.value?.length ?? 0,
      heartbeatSeconds: job.heartbeatSeconds ?? 60,
    }
  })
}

/** How many jobs a call changed; pg-boss tells it, its type does not. */
function changedRows(response: object): number {
  return (response as { readonly affected: number }).affected
}

export function keepClaim(running: RunningBoss, queue: string, claimed: ClaimedJob[], logger: Logger): Claim {
  const { boss } = running
  const lost = new AbortController()
  let jobs = claimed
  const lapseMs = Math.min(...claimed.map((job) => job.heartbeatSeconds)) * 1_000
  let alive = performance.now()
  let touching = false

  const lose = (why: string) => {
    if (lost.signal.aborted) return
    logger.warn({ queue, jobs: jobs.length }, `pg-boss gave claimed jobs to another worker: ${why}`)
    lost.abort()
  }

  const loseIfLapsed = () => {
    if (performance.now() - alive > lapseMs) lose('heartbeats did not get through')
  }

  async function touch(): Promise<void> {
    const attempts = jobs.map((job) => job.attempt)
    if (attempts.length === 0) return
    const began = performance.now()
    try {
      const affected = changedRows(await boss.touch(queue, attempts))
      // Some may have been completed meanwhile; only those still held count.
      const held = new Set(jobs.map((job) => job.attempt))
      const completed = attempts.filter((attempt) => !held.has(attempt)).length
      if (affected + completed < attempts.length) lose('they were not refreshed in time')
      else alive = began
    } catch (error) {
      logger.debug({ queue, code: failureCode(error) }, 'a heartbeat did not reach pg-boss')
      loseIfLapsed()
    }
  }

  const timer = setInterval(() => {
    // A database that says nothing does not fail, either.
    if (touching) return loseIfLapsed()
    touching = true
    void touch().finally(() => {
      touching = false
    })
  }, lapseMs / 3)

  return {
    get jobs() {
      return jobs
    },
    lost: lost.signal,
    async complete(count) {
      if (count === 0) return
      const done = jobs.slice(0, count)
      const attempts = done.map((job) => job.attempt)
      const affected = changedRows(await boss.complete(queue, attempts))
      jobs = jobs.slice(count)
      if (affected < done.length) {
        logger.info({ queue, jobs: done.length - affected }, 'done jobs had lapsed and will be delivered again')
      }
    },
    async release() {
      clearInterval(timer)
      const left = jobs.map((job) => job.attempt)
      jobs = []
      if (left.length === 0) return
      try {
        // A failed job with attempts left is its key's next one again; the number of attempts has no limit.
        await boss.fail(queue, left)
      } catch (error) {
        logger.debug({ queue, code: failureCode(error) }, 'claimed jobs were not released and will lapse')
      }
    },
  }
}
