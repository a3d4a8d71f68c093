import {
  type Clock,
  checkSettings,
  type IdSource,
  kinds,
  OnceboxError,
  type SettingKinds,
  systemClock,
  type Tx,
} from '@oncebox/core'
import { defaultSchema, tables as tablesOf } from '@oncebox/schema'
import { maxSegment, maxSegmentSize, segmentId } from './segmentLayout.js'
import { takeSegments } from './segmentService.js'

export interface SegmentIdsOptions {
  /**
   * The database of the id service: a pg Pool fits. Each call of `query` runs one statement; give it no transaction.
   * One service for all whose ids must differ. The caller closes it.
   */
  readonly db: Tx
  /** The schema of oncebox there. Default `oncebox`. */
  readonly schema?: string
  /** Ids of a segment. Default 1,000, at most 4,096. */
  readonly segmentSize?: number
  /** Segments kept ready beside the one in use. Default 2; more for bursts within one turn of the event loop. */
  readonly ahead?: number
  /** How long the service may take to answer, in milliseconds. Default 5,000. */
  readonly timeoutMs?: number
  /** How long to leave the service alone after a failure, in milliseconds. Default 250. */
  readonly retryMs?: number
  /** Default: the machine's. */
  readonly clock?: Clock
  /** Default `Math.random`. */
  readonly random?: () => number
}

/** Ids from the segments of an id service. */
export interface SegmentIds extends IdSource {
  /**
   * The next id, at once and without waiting for anything: new segments are fetched beside it. Rises within the process;
   * gaps are normal.
   *
   * @throws OnceboxError `IDS_EXHAUSTED`, with the service's last error as its cause, when no segment is there.
   */
  next(unixMs?: number): string
  /**
   * Resolves when ids are there, fetching them if need be: for the start of a service.
   *
   * @throws OnceboxError `IDS_EXHAUSTED` with the service's error as its cause.
   */
  ready(): Promise<void>
  /** How many ids are there now. */
  readonly available: number
}

const settingKinds: SettingKinds<SegmentIdsOptions> = {
  db: kinds.withMethods('a pg pool', 'query'),
  schema: kinds.text,
  segmentSize: kinds.wholeNumber(1, maxSegmentSize),
  ahead: kinds.wholeNumber(1, 1_000),
  timeoutMs: kinds.milliseconds(1),
  retryMs: kinds.spanMs(1),
  clock: kinds.clock,
  random: kinds.callable,
}

/**
 * Ids from segments that a Postgres id service numbers (`oncebox.id_segment`), a round trip a thousand or less. UUIDv7 in
 * layout, different across processes, without a promise about gaps. Fetches nothing before the first use.
 *
 * A stopped service makes `next` throw once the segments are used up: producers wrap it in `withFallback`.
 *
 * @throws OnceboxError `INVALID_SETTING`.
 */
export function segmentIds(options: SegmentIdsOptions): SegmentIds {
  checkSettings('segmentIds', options, settingKinds, ['db'])
  const { db, clock = systemClock, random = Math.random } = options
  const size = options.segmentSize ?? 1_000
  const ahead = options.ahead ?? 2
  const timeoutMs = options.timeoutMs ?? 5_000
  const retryMs = options.retryMs ?? 250
  const tables = tablesOf(options.schema ?? defaultSchema)

  /** Segments not begun, rising. */
  let waiting: number[] = []
  let segment = 0
  let index = size
  let lastMs = 0
  let fetching: Promise<void> | undefined
  let failure: { readonly error: unknown; readonly at: number } | undefined

  function receive(segments: readonly number[]): void {
    // An answer that comes after its time may bring numbers below those in use; ids rise, and gaps are allowed.
    const usable = segments.filter((number) => number > segment && number <= maxSegment)
    waiting = [...waiting, ...usable].sort((a, b) => a - b)
  }

  async function fetch(): Promise<void> {
    const answered = new AbortController()
    const missing = ahead + (index >= size ? 1 : 0) - waiting.length
    const taken = takeSegments(db, tables, missing).then(receive)
    try {
      const late = clock.sleep(timeoutMs, answered.signal).then(() => {
        throw new Error(`the id service did not answer within ${timeoutMs} ms`)
      })
      await Promise.race([taken, late])
      failure = undefined
    } catch (error) {
      failure = { error, at: clock.now() }
    } finally {
      answered.abort()
      fetching = undefined
    }
  }

  function keepReady(): void {
    if (fetching !== undefined || waiting.length >= ahead) return
    const passedMs = failure === undefined ? retryMs : clock.now() - failure.at
    // A clock that stepped back must not hold it off for long.
    if (passedMs >= 0 && passedMs < retryMs) return
    fetching = fetch()
  }

  function exhausted(): OnceboxError {
    return new OnceboxError('IDS_EXHAUSTED', 'The segments of ids are used up, and no new one has come', {
      next: 'Wrap the source in withFallback, or raise ahead; if it stays, look after the id service.',
      cause: failure?.error,
    })
  }

  return {
    next(unixMs) {
      if (index >= size) {
        const begun = waiting.shift()
        if (begun !== undefined) {
          segment = begun
          index = 0
        }
      }
      keepReady()
      if (index >= size) throw exhausted()
      if (unixMs === undefined) lastMs = Math.max(lastMs, clock.now())
      return segmentId(unixMs ?? lastMs, segment, index++, random())
    },
    async ready() {
      if (index < size || waiting.length > 0) return
      fetching ??= fetch()
      await fetching
      if (waiting.length === 0) throw exhausted()
    },
    get available() {
      return size - index + waiting.length * size
    },
  }
}
