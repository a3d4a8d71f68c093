import type { RowState } from './rowState.js'

/** A row of the outbox in the range. */
export interface WrittenMessage {
  readonly id: string
  readonly position: bigint
  readonly topic: string
  readonly state: RowState
  readonly source: string
}

/** A record as the topic has it. */
export interface PublishedRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  /** Any text that is the same for the same key; null without one. */
  readonly key: string | null
  readonly id: string
  readonly type: string
  readonly source: string
  /** When its message was written, in milliseconds since the Unix epoch. */
  readonly writtenMs: number
}

/** Something that outbox, topics and inboxes do not agree about. */
export type Discrepancy =
  /** The relay has passed it, and the topic does not have it. */
  | { readonly code: 'LOST'; readonly topic: string; readonly id: string; readonly position: string }
  /** The topic has it, and the outbox does not. */
  | (Place & { readonly code: 'UNKNOWN' })
  /** The topic has more copies than the outbox has rows; this is the first one too many. */
  | (Place & { readonly code: 'DUPLICATED'; readonly copies: number })
  /** It comes behind a message of its key that was written later. */
  | (Place & { readonly code: 'OUT_OF_ORDER'; readonly behind: string })
  /** A group has passed it, handles messages of its type, and does not know it. */
  | (Place & { readonly code: 'NOT_HANDLED'; readonly group: string })

/** A record of a topic. */
export interface Place {
  readonly id: string
  readonly topic: string
  readonly partition: number
  /** Decimal text. */
  readonly offset: string
}

export function placeOf({ id, topic, partition, offset }: PublishedRecord): Place {
  return { id, topic, partition, offset: String(offset) }
}

/**
 * Compares what was written with what was published. Pure.
 *
 * @param records of all topics written to, each partition in the order of its offsets
 */
export function reconcile(
  written: readonly WrittenMessage[],
  records: readonly PublishedRecord[],
  range: { readonly fromMs: number; readonly toMs: number },
): Discrepancy[] {
  const rows = new Map<string, { first: WrittenMessage; count: number; mustBeThere: boolean }>()
  for (const message of written) {
    const known = rows.get(message.id)
    if (known === undefined)
      rows.set(message.id, { first: message, count: 1, mustBeThere: message.state === 'published' })
    else {
      known.count++
      known.mustBeThere ||= message.state === 'published'
    }
  }
  const sources = new Set(written.map(({ source }) => source))
  const copies = new Map<string, number>()
  const newest = new Map<string, WrittenMessage>()
  const found: Discrepancy[] = []
  for (const record of records) {
    const row = rows.get(record.id)
    if (row === undefined) {
      const inRange = record.writtenMs >= range.fromMs && record.writtenMs < range.toMs
      if (inRange && sources.has(record.source)) found.push({ code: 'UNKNOWN', ...placeOf(record) })
      continue
    }
    const count = (copies.get(record.id) ?? 0) + 1
    copies.set(record.id, count)
    if (count === row.count + 1) found.push({ code: 'DUPLICATED', ...placeOf(record), copies: count })
    if (count > 1 || record.key === null) continue
    // Only first deliveries have an order.
    const group = `${record.topic}/${record.partition}/${record.key}`
    const ahead = newest.get(group)
    if (ahead === undefined || row.first.position > ahead.position) newest.set(group, row.first)
    else found.push({ code: 'OUT_OF_ORDER', ...placeOf(record), behind: ahead.id })
  }
  for (const [id, { first, mustBeThere }] of rows) {
    if (!mustBeThere || copies.has(id)) continue
    found.push({ code: 'LOST', topic: first.topic, id, position: String(first.position) })
  }
  return found.map((one) => (one.code === 'DUPLICATED' ? { ...one, copies: copies.get(one.id) ?? one.copies } : one))
}
