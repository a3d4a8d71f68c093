/**
 * A circuit breaker as a value: closed while things go well, open after failures in a row, and half open once it has
 * rested: the next call is a trial. (Nygard, Release It!, 2007.)
 */
export type Breaker =
  | { readonly state: 'closed'; readonly failures: number }
  /** `sinceMs`: when it opened; `restedFromMs`: its last failure. */
  | { readonly state: 'open'; readonly sinceMs: number; readonly restedFromMs: number }

/** `closed`: calls go through. `open`: they do not. `halfOpen`: the next one is a trial. */
export type BreakerState = 'closed' | 'open' | 'halfOpen'

export interface BreakerLimits {
  /** Failures in a row that open it. */
  readonly failures: number
  /** How long it rests after a failure, in milliseconds. */
  readonly restMs: number
}

export const closedBreaker: Breaker = { state: 'closed', failures: 0 }

export function breakerState(breaker: Breaker, nowMs: number, limits: BreakerLimits): BreakerState {
  if (breaker.state === 'closed') return 'closed'
  const restedMs = nowMs - breaker.restedFromMs
  // A clock that stepped back must not keep it open.
  return restedMs < 0 || restedMs >= limits.restMs ? 'halfOpen' : 'open'
}

/** Success of a call that it let through. */
export function afterSuccess(): Breaker {
  return closedBreaker
}

/** Failure of a call that it let through. */
export function afterFailure(breaker: Breaker, nowMs: number, limits: BreakerLimits): Breaker {
  if (breaker.state === 'open') return { ...breaker, restedFromMs: nowMs }
  const failures = breaker.failures + 1
  if (failures < limits.failures) return { state: 'closed', failures }
  return { state: 'open', sinceMs: nowMs, restedFromMs: nowMs }
}
