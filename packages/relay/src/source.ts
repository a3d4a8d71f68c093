import type { Entry } from './entry.js'
import type { Progress } from './progress.js'

/** A part of a window, in the order in which it has to be published. */
export interface SourcePage {
  readonly entries: readonly Entry[]
  /** Where the lane stands once all rows handed out so far are published or parked. */
  readonly after: Progress
  /** Where it stands once the rows of this page up to the position of one of them, but not the last, are. */
  readonly within: (position: number) => Progress
  /** True when this page ends its window. */
  readonly windowDone: boolean
  /** True when messages of the scheduled table have come due. */
  readonly due: boolean
}

/**
 * Hands out what became visible, in order, each row once in the life of the object. Polling windows is one way; logical
 * replication would be another behind the same tests.
 */
export interface Source {
  /**
   * Reads the next page; no rows means that there is nothing new.
   *
   * @throws OnceboxError `DATABASE_NOT_PRIMARY`, `WINDOW_IN_TRANSACTION`, or the driver's error. The object is of no use
   *   afterwards: what it holds in memory has to be read again.
   */
  read(): Promise<SourcePage>
}
