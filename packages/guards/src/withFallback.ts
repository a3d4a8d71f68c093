import {
  type Clock,
  checkSettings,
  type IdSource,
  isOnceboxError,
  kinds,
  type Logger,
  type SettingKinds,
  silentLogger,
  systemClock,
} from '@oncebox/core'
import { afterFailure, afterSuccess, type Breaker, type BreakerState, breakerState, closedBreaker } from './breaker.js'

/** What a source with a fallback tells `onEvent`. */
export type FallbackEvent =
  /** The primary source failed so often that it is left alone: ids are local now. */
  | { readonly type: 'degraded'; readonly error: unknown }
  /** It gives ids again, after `degradedMs`; meanwhile `fallbackIds` were local. */
  | { readonly type: 'recovered'; readonly degradedMs: number; readonly fallbackIds: number }

export interface FallbackOptions {
  /** Failures in a row after which the primary is left alone. Default 3. Each of these calls gets a local id as well. */
  readonly failures?: number
  /** How long it is left alone before one call tries it again, in milliseconds. Default 1,000. */
  readonly restMs?: number
  /** Default: the machine's. */
  readonly clock?: Pick<Clock, 'now'>
  /** One line when degraded, one when back. Default: silent. */
  readonly logger?: Logger
  /** For metrics. What it throws is logged. Default: nobody is told. */
  readonly onEvent?: (event: FallbackEvent) => void
}

/** Ids of one source or the other, and which one gives them now. */
export interface FallbackIds extends IdSource {
  /** `closed`: ids come from the primary. `halfOpen`: the next call tries it. */
  readonly state: BreakerState
  /** Since it was made. */
  readonly counters: { readonly primaryIds: number; readonly fallbackIds: number; readonly degradations: number }
}

const ids = kinds.withMethods('a source of ids, with next', 'next')

const settingKinds: SettingKinds<FallbackOptions> = {
  failures: kinds.count(1),
  restMs: kinds.spanMs(1),
  clock: kinds.present,
  logger: kinds.logger,
  onEvent: kinds.callable,
}

/**
 * Ids of `primary`, and at once of `local` where it throws: a producer never fails or waits because the id service does.
 * After failures in a row the primary is left alone for `restMs`, then tried by one call at a time, until it gives ids
 * again. No timers: with nobody asking for ids nothing happens.
 *
 * Ids rise within the process also across a change from one source to the other, as long as the clock does not step back
 * meanwhile.
 *
 * @throws OnceboxError `INVALID_SETTING`.
 */
export function withFallback(primary: IdSource, local: IdSource, options: FallbackOptions = {}): FallbackIds {
  checkSettings('withFallback', { primary, local }, { primary: ids, local: ids }, ['primary', 'local'])
  checkSettings('withFallback', options, settingKinds)
  const { clock = systemClock, logger = silentLogger, onEvent } = options
  const limits = {
    failures: options.failures ?? 3,
    restMs: options.restMs ?? 1_000,
  }
  let breaker: Breaker = closedBreaker
  let last = ''
  let fallbackIdsBefore = 0
  const counters = { primaryIds: 0, fallbackIds: 0, degradations: 0 }

  function tell(event: FallbackEvent): void {
    try {
      onEvent?.(event)
    } catch (error) {
      logger.error({ event: event.type, error: nameOf(error) }, 'onEvent threw')
    }
  }

  function failed(error: unknown, nowMs: number): void {
    const before = breaker
    breaker = afterFailure(breaker, nowMs, limits)
    if (before.state === 'open' || breaker.state === 'closed') return
    counters.degradations++
    fallbackIdsBefore = counters.fallbackIds
    logger.warn(
      { error: nameOf(error), cause: nameOf(causeOf(error)) },
      'the id service gives no ids: they are made locally',
    )
    tell({ type: 'degraded', error })
  }

  function succeeded(nowMs: number): void {
    const before = breaker
    breaker = afterSuccess()
    if (before.state === 'closed') return
    const degradedMs = Math.max(0, nowMs - before.sinceMs)
    const fallbackIds = counters.fallbackIds - fallbackIdsBefore
    logger.info({ degradedMs, fallbackIds }, 'the id service gives ids again')
    tell({ type: 'recovered', degradedMs, fallbackIds })
  }

  function fromPrimary(unixMs: number | undefined): string | undefined {
    const nowMs = clock.now()
    if (breakerState(breaker, nowMs, limits) === 'open') return undefined
    let id: string
    try {
      id = unixMs === undefined ? primary.next() : primary.next(unixMs)
    } catch (error) {
      failed(error, nowMs)
      return undefined
    }
    succeeded(nowMs)
    // Just after a change back, the primary may be behind within the millisecond: its id is left out.
    return unixMs === undefined && id <= last ? undefined : id
  }

  return {
    next(unixMs) {
      const given = fromPrimary(unixMs)
      if (given !== undefined) counters.primaryIds++
      else counters.fallbackIds++
      const id = given ?? (unixMs === undefined ? local.next() : local.next(unixMs))
      if (unixMs === undefined) last = id
      return id
    },
    get state() {
      return breakerState(breaker, clock.now(), limits)
    },
    get counters() {
      return { ...counters }
    },
  }
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined
}

/** A code or a name, never the text, which may quote anything. */
function nameOf(error: unknown): string | undefined {
  if (error === undefined) return undefined
  if (isOnceboxError(error)) return error.code
  const code = (error as { code?: unknown } | null)?.code
  if (typeof code === 'string') return code
  return error instanceof Error ? error.name : typeof error
}
