import type { Clock } from '@oncebox/core'

export interface ReadingOptions {
  /** Must not reject. */
  readonly read: () => Promise<void>
  /** Called when somebody has waited in vain. */
  readonly late: () => void
  /** Milliseconds, both: between the end of a reading and the next one, and how long somebody waits. */
  readonly maxAgeMs: number
  readonly deadlineMs: number
  readonly clock: Clock
}

/** One reading at a time, however many ask, and none before `maxAgeMs` have passed since the last. Nobody waits past the deadline. */
export function readingAtMost({ read, late, maxAgeMs, deadlineMs, clock }: ReadingOptions): () => Promise<void> {
  let current: Promise<void> | undefined
  let readAt = Number.NEGATIVE_INFINITY
  const readOnce = async () => {
    await read()
    readAt = clock.now()
  }
  return async () => {
    if (current === undefined && clock.now() - readAt < maxAgeMs) return
    current ??= readOnce().finally(() => {
      current = undefined
    })
    const waiting = new AbortController()
    const isLate = clock.sleep(deadlineMs, waiting.signal).then(() => true)
    const wasLate = await Promise.race([current.then(() => false), isLate])
    waiting.abort()
    if (wasLate) late()
  }
}
