export interface UntilOptions {
  /** How long to keep asking, in milliseconds. Default 10,000. */
  readonly deadlineMs?: number
  /** What is waited for, as the end of the sentence "waited 10000 ms for …". */
  readonly what: string
}

type Falsy = false | undefined | null

const shortestPauseMs = 2
const longestPauseMs = 50

/**
 * Asks `condition` again and again until it answers something other than false, undefined or null, and resolves with
 * that answer. Pauses grow from 2 to 50 ms. A condition that throws is asked again; at the deadline the promise
 * rejects naming `what`, with the last thrown error as `cause`. The condition is asked at least once.
 */
export async function until<T>(
  condition: () => Promise<T | Falsy> | T | Falsy,
  options: UntilOptions,
): Promise<Exclude<T, Falsy>> {
  const deadlineMs = options.deadlineMs ?? 10_000
  const start = performance.now()
  let pauseMs = shortestPauseMs
  let thrown: unknown
  for (;;) {
    try {
      const answer = await condition()
      thrown = undefined
      if (answer !== false && answer !== undefined && answer !== null) return answer as Exclude<T, Falsy>
    } catch (error) {
      thrown = error
    }
    if (performance.now() - start >= deadlineMs) {
      throw new Error(`waited ${deadlineMs} ms for ${options.what}`, { cause: thrown })
    }
    // The one place where tests wait: between two looks at a condition.
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
    pauseMs = Math.min(longestPauseMs, pauseMs * 1.5)
  }
}
