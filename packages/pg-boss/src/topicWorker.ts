import { type Clock, systemClock } from '@oncebox/core'
import type { BatchHandler, BatchProgress, SubscribeOptions, TopicPartition } from '@oncebox/transport'
import type { RunningBoss } from './bossConnection.js'
import { type Claim, type ClaimedJob, claimJobs, keepClaim } from './claim.js'
import { failureCode } from './failures.js'
import { fetchSize } from './fetchSize.js'

const shortestIdleMs = 10
const longestIdleMs = 100
const retryPauseMs = 1_000

export interface TopicWorker {
  /** Resolves when the worker has ended, everything it held completed or released. */
  readonly ended: Promise<void>
  /** Takes no new batch. */
  finish(): void
  /** Aborts the running batch's signal and gives its jobs back; what the handler answers later is not acked. */
  abort(): Promise<void>
}

/** Delivers the jobs of one queue to a handler, batch after batch, until it is told to finish. */
export function workTopic(
  running: RunningBoss,
  topic: string,
  queue: string,
  options: SubscribeOptions,
  handler: BatchHandler,
  clock: Clock = systemClock,
): TopicWorker {
  const { logger } = options
  const partition: TopicPartition = { topic, partition: 0, topicId: '' }
  const finishing = new AbortController()
  const aborted = new AbortController()
  const size = fetchSize(options)
  let current: Claim | undefined
  const pause = (ms: number) => clock.sleep(ms, finishing.signal)

  async function assign(): Promise<boolean> {
    while (!finishing.signal.aborted) {
      try {
        // There are no offsets, so what it answers has nothing to say here.
        await handler.assigned([partition])
        return true
      } catch (error) {
        logger.warn({ topic, code: failureCode(error) }, 'the consumer could not take its topic; it is asked again')
        await pause(retryPauseMs)
      }
    }
    return false
  }

  async function deliver(claim: Claim): Promise<void> {
    while (claim.jobs.length > 0 && !claim.lost.aborted && !finishing.signal.aborted) {
      const part = claim.jobs.slice(0, fitting(claim.jobs, options.maxBytes))
      const signal = AbortSignal.any([claim.lost, aborted.signal])
      const { done, retryAfterMs = 0 } = await handle(part, signal)
      if (aborted.signal.aborted) return
      await complete(claim, done)
      if (done < part.length) await pause(retryAfterMs)
    }
  }

  async function handle(part: readonly ClaimedJob[], signal: AbortSignal): Promise<BatchProgress> {
    try {
      return await handler.batch({ ...partition, records: part.map((job) => job.record), signal })
    } catch (error) {
      logger.warn({ topic, code: failureCode(error) }, 'the consumer rejected a batch; it is delivered again')
      return { done: 0, retryAfterMs: retryPauseMs }
    }
  }

  /** While the database is away, done jobs are held: completing them late is better than delivering them again. */
  async function complete(claim: Claim, count: number): Promise<void> {
    for (;;) {
      try {
        return await claim.complete(count)
      } catch (error) {
        logger.warn({ topic, code: failureCode(error) }, 'done jobs could not be completed')
        if (claim.lost.aborted || finishing.signal.aborted) return
        await pause(retryPauseMs)
      }
    }
  }

  async function work(): Promise<void> {
    if (!(await assign())) return
    let idleMs = shortestIdleMs
    while (!finishing.signal.aborted) {
      let jobs: ClaimedJob[]
      try {
        jobs = await claimJobs(running, topic, queue, size.next())
      } catch (error) {
        logger.warn({ topic, code: failureCode(error) }, 'jobs could not be fetched; it is tried again')
        await pause(retryPauseMs)
        continue
      }
      if (jobs.length === 0) {
        await pause(idleMs)
        idleMs = Math.min(longestIdleMs, idleMs * 1.5)
        continue
      }
      idleMs = shortestIdleMs
      size.saw(
        jobs.length,
        jobs.reduce((sum, job) => sum + job.bytes, 0),
      )
      const claim = keepClaim(running, queue, jobs, logger)
      current = claim
      await deliver(claim)
      current = undefined
      await claim.release()
    }
    if (!aborted.signal.aborted) await handler.revoked([partition])
  }

  return {
    ended: work().catch((error: unknown) => {
      logger.error({ topic, code: failureCode(error) }, 'the worker of a topic ended with an error')
    }),
    finish: () => finishing.abort(),
    async abort() {
      aborted.abort()
      await current?.release()
    },
  }
}

/** How many from the front fit into `maxBytes`; at least one. */
function fitting(jobs: readonly ClaimedJob[], maxBytes: number): number {
  let bytes = 0
  for (const [index, job] of jobs.entries()) {
    bytes += job.bytes
    if (index > 0 && bytes > maxBytes) return index
  }
  return jobs.length
}
