import type { WireRecord } from '@oncebox/core'
import { silentLogger } from '@oncebox/core'
import type { BatchHandler, IncomingBatch, OutgoingRecord, SubscribeOptions } from '@oncebox/transport'

/** A record whose key and value are text. */
export function record(topic: string, key: string | null, value: string): OutgoingRecord {
  return {
    topic,
    partition: null,
    key: key === null ? null : Buffer.from(key),
    value: Buffer.from(value),
    headers: [],
  }
}

export const text = (bytes: Uint8Array | null): string => (bytes === null ? '' : Buffer.from(bytes).toString())

/** Passes each batch on and answers that all of it is done. */
export function taking(take: (records: readonly WireRecord[], batch: IncomingBatch) => unknown): BatchHandler {
  return {
    assigned: async () => new Map(),
    revoked: async () => undefined,
    async batch(batch) {
      await take(batch.records, batch)
      return { done: batch.records.length }
    },
  }
}

export function subscribing(topic: string, group: string): SubscribeOptions {
  return { group, topics: [topic], maxRecords: 500, maxBytes: 4_000_000, logger: silentLogger }
}
