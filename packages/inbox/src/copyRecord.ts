import { partitionOf } from '@oncebox/core'
import type { OutgoingRecord } from '@oncebox/transport'
import type { PendingCopy } from './deadLetterCopies.js'
import { recordOfRow } from './storedEnvelope.js'

const prefix = 'dead_letter_'

/**
 * The copy of a dead letter as a record of `topic`: key, value and headers as they came, so that it can be sent on as it
 * is, and behind them headers `dead_letter_*` that say what became of it. No error text: it may quote anything.
 * `partitions`: of `topic`, 0 on transports without them. Pure.
 */
export function copyRecord(copy: PendingCopy, group: string, topic: string, partitions: number): OutgoingRecord {
  const { key, value, headers, offset, ...record } = recordOfRow(copy)
  const told: readonly (readonly [string, string | null])[] = [
    ['number', copy.deadLetter],
    ['group', group],
    ['reason', copy.reason],
    ['error_name', copy.errorName],
    ['error_code', copy.errorCode],
    ['attempts', String(copy.attempts)],
    ['time', copy.deadAt],
    ['topic', record.topic],
    ['partition', String(record.partition)],
    ['offset', offset],
    ['record_time', new Date(record.timestamp).toISOString()],
  ]
  return {
    topic,
    partition: key === null || partitions === 0 ? null : partitionOf(key, partitions),
    key,
    value,
    headers: [
      // A publisher takes no header without bytes.
      ...headers.map(([name, bytes]) => [name, bytes ?? new Uint8Array()] as const),
      ...told.flatMap(([name, text]) => (text === null ? [] : [[prefix + name, text] as const])),
    ],
  }
}
