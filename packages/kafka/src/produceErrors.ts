import type { ErrorCode } from '@oncebox/core'

/**
 * What a Produce error code means for the batch (org.apache.kafka.common.protocol.Errors).
 *
 * - `written`: it is in the log already (a resend the broker recognized).
 * - `again`: not written, or nobody knows; send the very same bytes again, after looking for the leader anew.
 * - `split`: definitely not written, for the sake of at least one record in it.
 * - `sequence`: the broker's memory of this producer does not fit; begin a new epoch.
 * - `refused`: definitely not written, and nothing in the batch will be: for the operator.
 */
export type ProduceVerdict =
  | { readonly kind: 'written' | 'again' | 'sequence' }
  | { readonly kind: 'split' | 'refused'; readonly code: ErrorCode; readonly reason: string }

const verdicts: ReadonlyMap<number, ProduceVerdict> = new Map<number, ProduceVerdict>([
  [2, { kind: 'again' }], // CORRUPT_MESSAGE: damaged under way
  // UNKNOWN_TOPIC_OR_PARTITION: the topic is gone, or this broker does not lead it. The metadata knows which.
  [3, { kind: 'again' }],
  [10, { kind: 'split', code: 'RECORD_TOO_LARGE', reason: 'MESSAGE_TOO_LARGE' }],
  [17, { kind: 'refused', code: 'RECORD_REFUSED', reason: 'INVALID_TOPIC_EXCEPTION' }],
  [18, { kind: 'split', code: 'RECORD_TOO_LARGE', reason: 'RECORD_LIST_TOO_LARGE' }],
  [29, { kind: 'refused', code: 'NOT_AUTHORIZED', reason: 'TOPIC_AUTHORIZATION_FAILED' }],
  [31, { kind: 'refused', code: 'NOT_AUTHORIZED', reason: 'CLUSTER_AUTHORIZATION_FAILED' }],
  [32, { kind: 'split', code: 'RECORD_REFUSED', reason: 'INVALID_TIMESTAMP' }],
  [43, { kind: 'refused', code: 'RECORD_REFUSED', reason: 'UNSUPPORTED_FOR_MESSAGE_FORMAT' }],
  [44, { kind: 'split', code: 'RECORD_REFUSED', reason: 'POLICY_VIOLATION' }],
  [45, { kind: 'sequence' }], // OUT_OF_ORDER_SEQUENCE_NUMBER
  [46, { kind: 'written' }], // DUPLICATE_SEQUENCE_NUMBER
  [47, { kind: 'sequence' }], // INVALID_PRODUCER_EPOCH
  [49, { kind: 'sequence' }], // INVALID_PRODUCER_ID_MAPPING
  [59, { kind: 'sequence' }], // UNKNOWN_PRODUCER_ID
  [76, { kind: 'refused', code: 'RECORD_REFUSED', reason: 'UNSUPPORTED_COMPRESSION_TYPE' }],
  [87, { kind: 'split', code: 'RECORD_REFUSED', reason: 'INVALID_RECORD' }],
  [90, { kind: 'sequence' }], // PRODUCER_FENCED
])

const again: ProduceVerdict = { kind: 'again' }

/** Codes that are not listed are taken as "nobody knows": the same bytes are sent again until the deadline. */
export function produceVerdict(errorCode: number): ProduceVerdict {
  return verdicts.get(errorCode) ?? again
}
