/** What a victim is told on its command line. */
export interface VictimOptions {
  readonly point: string
  /** It dies there at the so many-th time. */
  readonly time: number
  readonly seed: number
  readonly url: string
  readonly brokers: readonly string[]
  readonly topic: string
  readonly group: string
  readonly deliveryLog: string
}

/** Short times, so that the next one takes over soon. */
export const victimTuning = { leaseMs: 1_000, sessionTimeoutMs: 2_000, heartbeatIntervalMs: 200, maxWaitMs: 50 }
