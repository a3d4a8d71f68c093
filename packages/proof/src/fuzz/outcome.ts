import { isOnceboxError } from '@oncebox/core'
import type { Outcome } from './target.js'

/** What an entry's answer means: nothing but errors with a code may come out of it. */
export async function outcomeOf(entry: () => unknown): Promise<Outcome> {
  try {
    await entry()
    return 'taken'
  } catch (error) {
    if (isOnceboxError(error)) return 'refused'
    return { broken: `an error without a code: ${error instanceof Error ? error.stack : String(error)}` }
  }
}
