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

/** What is kept of a message: there are as many as were written. */
interface Row {
  readonly id: string
  readonly topic: string
  /** Of its first row: as a number it takes no space of its own, and sequences do not get to 2^53. */
  readonly position: number
  rows: number
  copies: number
  mustBeThere: boolean
}

/**
 * Compares what was written with what was published, message by message: first everything that was written, then the records
 * of all topics written to, each partition in the order of its offsets. No I/O; keeps an id a message and the last message
 * of a key, and nothing of a record that fits.
 */
export class Reconciliation {
  readonly #rows = new Map<string, Row>()
  readonly #sources = new Set<string>()
  /** Each name once: a driver makes a string of its own for every row. */
  readonly #topics = new Map<string, string>()
  readonly #states: Record<RowState, number> = { published: 0, waiting: 0, parked: 0 }
  /** By topic and partition, then by key. Only first deliveries have an order. */
  readonly #newest = new Map<string, Map<string, Row>>()
  readonly #found: Discrepancy[] = []
  readonly #range: { readonly fromMs: number; readonly toMs: number }
  #published = 0

  /** @param range records from it have to be known; milliseconds since the Unix epoch, the end excluded */
  constructor(range: { readonly fromMs: number; readonly toMs: number }) {
    this.#range = range
  }

  wrote({ id, position, topic: name, state, source }: WrittenMessage): void {
    this.#states[state]++
    this.#sources.add(source)
    const topic = this.#topics.get(name) ?? name
    this.#topics.set(topic, topic)
    const known = this.#rows.get(id)
    const mustBeThere = state === 'published'
    if (known === undefined)
      this.#rows.set(id, { id, topic, position: Number(position), rows: 1, copies: 0, mustBeThere })
    else {
      known.rows++
      known.mustBeThere ||= mustBeThere
    }
  }

  /** How many rows were written, by how far they have come. */
  get states(): Readonly<Record<RowState, number>> {
    return this.#states
  }

  /** The topics that were written to, in the order of their names. */
  get topics(): readonly string[] {
    return [...this.#topics.keys()].sort()
  }

  /** How many records of the messages that were written have come. */
  get published(): number {
    return this.#published
  }

  /** Takes a record. True for the first one of a message that was written. */
  arrived(record: PublishedRecord): boolean {
    const row = this.#rows.get(record.id)
    if (row === undefined) {
      const { fromMs, toMs } = this.#range
      const inRange = record.writtenMs >= fromMs && record.writtenMs < toMs
      if (inRange && this.#sources.has(record.source)) this.#found.push({ code: 'UNKNOWN', ...placeOf(record) })
      return false
    }
    this.#published++
    row.copies++
    if (row.copies === row.rows + 1) this.#found.push({ code: 'DUPLICATED', ...placeOf(record), copies: row.copies })
    if (row.copies > 1) return false
    const ahead = record.key === null ? undefined : this.#passes(record, record.key, row)
    if (ahead !== undefined) this.#found.push({ code: 'OUT_OF_ORDER', ...placeOf(record), behind: ahead.id })
    return true
  }

  /** The message of its key that came before and was written later, if there is one. */
  #passes({ topic, partition }: PublishedRecord, key: string, row: Row): Row | undefined {
    const place = `${topic}/${partition}`
    let newest = this.#newest.get(place)
    if (newest === undefined) {
      newest = new Map()
      this.#newest.set(place, newest)
    }
    const ahead = newest.get(key)
    if (ahead !== undefined && ahead.position >= row.position) return ahead
    newest.set(key, row)
    return undefined
  }

  /** Ids of records that nobody has written so far as is known. */
  get unknown(): ReadonlySet<string> {
    return new Set(this.#found.flatMap((one) => (one.code === 'UNKNOWN' ? [one.id] : [])))
  }

  /** What does not fit, after everything was taken. `known`: ids that were found to be written after all. */
  discrepancies(known: ReadonlySet<string> = new Set()): Discrepancy[] {
    const found = this.#found.flatMap((one): Discrepancy[] => {
      if (one.code === 'UNKNOWN' && known.has(one.id)) return []
      if (one.code === 'DUPLICATED') return [{ ...one, copies: this.#rows.get(one.id)?.copies ?? one.copies }]
      return [one]
    })
    for (const { id, topic, position, copies, mustBeThere } of this.#rows.values()) {
      if (mustBeThere && copies === 0) found.push({ code: 'LOST', topic, id, position: String(position) })
    }
    return found
  }
}
