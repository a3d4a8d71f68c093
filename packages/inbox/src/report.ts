import { type ErrorCode, isOnceboxError, type Logger, sampledTrace, sqlState } from '@oncebox/core'
import type { SpanResult } from './batchTransaction.js'
import { type Item, referenceOf } from './decode.js'
import type { ConsumerEvent, Counters, FirstHandled } from './events.js'
import type { Runnable } from './runHandlers.js'

interface Place {
  readonly topic: string
  readonly partition: number
}

/** Counts, logs and tells what happens in a consumer: one place, so that the three agree. */
export interface Report {
  /** `tookMs`: from the begin of its transaction. */
  committed(place: Place, result: SpanResult, tookMs: number): void
  redriven(item: Item): void
  buried(item: Item, reason: string, error: unknown): void
  putOff(item: Item, retryAfterMs: number): void
  careful(place: Place, accused: number): void
  redriveFailed(error: unknown): void
  marksFailed(error: unknown): void
  attemptFailed(item: Item, attempts: number, error: unknown): void
  conflict(place: Place, batchMessages: number): void
  paused(place: Place, retryAfterMs: number, error: unknown, ownFault: boolean): void
  wentBack(place: Place): void
  rejoinFailed(error: unknown): void
  blocked(item: Item, reason: string): void
  copied(topic: string, count: number): void
  copyFailed(topic: string, code: ErrorCode | null, count: number): void
  reclaimed(leaves: readonly string[], floorMs: number): void
  reclaimFailed(error: unknown): void
}

export function createReport(
  group: string,
  logger: Logger,
  onEvent: (event: ConsumerEvent) => void,
  counters: Counters,
  now: () => number,
): Report {
  function dead(item: Item, reason: string, error: unknown): void {
    logger.error({ group, ...referenceOf(item), reason, error: errorTag(error) }, 'message put to the dead letters')
    onEvent({ type: 'deadLettered', reason, ...referenceOf(item) })
  }

  return {
    committed({ topic, partition }, { counts, letters, skipped, parked, first }, tookMs) {
      counters.committed(counts)
      onEvent({ type: 'committed', topic, partition, tookMs, first: first && firstHandled(first, now()), ...counts })
      for (const { item, reason, error } of letters) dead(item, reason, error)
      for (const { item, reason } of skipped) onEvent({ type: 'skipped', reason, ...referenceOf(item) })
      for (const item of parked) onEvent({ type: 'parked', ...referenceOf(item) })
    },
    redriven(item) {
      counters.add('redriven')
      logger.info({ group, ...referenceOf(item) }, 'message that had failed or waited was handled')
      onEvent({ type: 'redriven', ...referenceOf(item) })
    },
    buried(item, reason, error) {
      counters.add('deadLettered')
      dead(item, reason, error)
    },
    putOff(item, retryAfterMs) {
      logger.debug({ group, ...referenceOf(item), retryAfterMs }, 'a handler put its message off')
      onEvent({ type: 'putOff', retryAfterMs, ...referenceOf(item) })
    },
    careful({ topic, partition }, accused) {
      logger.warn(
        { group, topic, partition, accused },
        'the last consumer of this partition ended in the middle: going by few messages at first',
      )
      onEvent({ type: 'careful', topic, partition, accused })
    },
    marksFailed(error) {
      logger.warn(
        { group, error: errorTag(error) },
        'a partition stays marked as held: whoever has it next goes by few messages at first',
      )
    },
    redriveFailed(error) {
      logger.warn({ group, error: errorTag(error) }, 'looking for parked messages failed, trying again')
    },
    attemptFailed(item, attempts, error) {
      counters.add('failedAttempts')
      logger.warn({ group, ...referenceOf(item), attempts, error: errorTag(error) }, 'message failed')
      onEvent({ type: 'attemptFailed', attempts, error, ...referenceOf(item) })
    },
    conflict({ topic, partition }, batchMessages) {
      counters.add('conflicts')
      logger.debug({ group, topic, partition, batchMessages }, 'conflict with another transaction')
      onEvent({ type: 'conflict', topic, partition, batchMessages })
    },
    paused({ topic, partition }, retryAfterMs, error, ownFault) {
      counters.add('pauses')
      const fields = { group, topic, partition, retryAfterMs, error: errorTag(error) }
      if (ownFault) logger.error(fields, 'a statement of the inbox failed, trying again')
      else logger.warn(fields, 'the database is not available, trying again')
      onEvent({ type: 'paused', topic, partition, retryAfterMs })
    },
    wentBack({ topic, partition }) {
      logger.error({ group, topic, partition }, 'the database has lost commits, going back to where it says')
      onEvent({ type: 'wentBack', topic, partition })
    },
    rejoinFailed(error) {
      logger.warn({ group, error: errorTag(error) }, 'joining the group again failed, trying again')
    },
    blocked(item, reason) {
      logger.error({ group, ...referenceOf(item), reason }, 'a message blocks its partition')
      onEvent({ type: 'blocked', reason, ...referenceOf(item) })
    },
    copied(topic, count) {
      logger.info({ group, topic, count }, 'dead letters copied to their topic')
      onEvent({ type: 'copied', topic, count })
    },
    copyFailed(topic, code, count) {
      logger.warn({ group, topic, code, count }, 'dead letters could not be copied to their topic, trying again')
      onEvent({ type: 'copyFailed', topic, count, code })
    },
    reclaimed(leaves, floorMs) {
      logger.info({ group, leaves, floorMs }, 'inbox leaves reclaimed')
      onEvent({ type: 'reclaimed', leaves, floorMs })
    },
    reclaimFailed(error) {
      logger.warn({ group, error: errorTag(error) }, 'reclaiming inbox storage failed, trying again later')
    },
  }
}

function firstHandled({ item, message }: Runnable, nowMs: number): FirstHandled {
  return {
    waitedMs: Math.max(0, nowMs - item.record.timestamp),
    trace: sampledTrace(message.headers.traceparent),
  }
}

/** An error's class and code: its text may quote a payload. */
function errorTag(error: unknown): string {
  if (!(error instanceof Error)) return typeof error
  const code = isOnceboxError(error) ? error.code : sqlState(error)
  return code === undefined ? error.name : `${error.name} ${code}`
}
