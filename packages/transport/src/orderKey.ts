import type { OutgoingRecord } from './publisher.js'

/** What orders a record among others: its topic and key as one text, null for a record without a key. */
export function orderKey(record: Pick<OutgoingRecord, 'topic' | 'key'>): string | null {
  const { topic, key } = record
  // Latin-1 maps every byte to one character, so that different bytes never become the same text.
  return key === null ? null : `${topic}\0${Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')}`
}
