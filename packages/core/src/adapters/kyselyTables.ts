import type { ColumnType } from 'kysely'

/** Read only: the database fills it, and producers hold no right to write it. */
type Generated<T> = ColumnType<T, never, never>
type Optional<T> = ColumnType<T | null, T | null | undefined, never>
type Mandatory<T> = ColumnType<T, T, never>
type Json = Readonly<Record<string, string>>

interface MessageColumns {
  readonly created_at: Generated<Date>
  readonly id: Mandatory<string>
  readonly source: Mandatory<string>
  readonly topic: Mandatory<string>
  readonly key: Optional<string>
  readonly type: Mandatory<string>
  readonly content_type: Optional<string>
  readonly headers: ColumnType<Json | null, string | null | undefined, never>
  readonly payload: ColumnType<Buffer | null, Uint8Array | null | undefined, never>
}

/** Insert-only. 64-bit numbers are read as text, as pg does. */
export interface OutboxTable extends MessageColumns {
  /** The order of writing; decimal text of 64 bits. */
  readonly position: Generated<string>
  /** The transaction that wrote the row; decimal text of 64 bits. */
  readonly xid: Generated<string>
  /** The leaf of the ring that holds the row. */
  readonly slot: Generated<number>
}

/** Messages that wait for their time. */
export interface ScheduledTable extends MessageColumns {
  /** Decimal text of 64 bits. */
  readonly number: Generated<string>
  /** When the relay moves it to the outbox. */
  readonly due_at: Mandatory<Date>
}

/** Insert-only. */
export interface InboxTable {
  /** The consumer group. */
  readonly consumer: Mandatory<string>
  /** A UUIDv7. */
  readonly message_id: Mandatory<string>
}

interface PlainTables {
  readonly outbox: OutboxTable
  readonly scheduled: ScheduledTable
  readonly inbox: InboxTable
}

/**
 * The tables that users may read and write, for the DB type of their Kysely: `interface DB extends OnceboxTables { … }`.
 * A schema of another name: `OnceboxTables<'messaging'>`.
 */
export type OnceboxTables<Schema extends string = 'oncebox'> = {
  [Name in keyof PlainTables as `${Schema}.${Name}`]: PlainTables[Name]
}
