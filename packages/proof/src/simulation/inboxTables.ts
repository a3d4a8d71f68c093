import type { Effect } from '@oncebox/testkit'
import { ModelRows } from './modelRows.js'
import type { DeadLetterRow, StoredMessage } from './parkingStatements.js'

/** What a consumer group keeps, and what its handlers did. */
export class InboxTables {
  readonly ids = new ModelRows<true>()
  /** Ids of an earlier time are refused, in milliseconds since the Unix epoch. */
  floor = 0
  readonly offsets = new ModelRows<number>()
  /** Failed or begun attempts by message. */
  readonly attempts = new ModelRows<number>()
  /** Who holds which partition, and what it had in hand with care: identities, as JSON. */
  readonly held = new ModelRows<{ readonly inHand: string | null }>()
  /** Keys that wait, by topic and digest: when the first of their messages is tried again; null: when somebody asks. */
  readonly heads = new ModelRows<{ readonly dueAt: number | null }>()
  /** Messages that wait, by number. */
  readonly waiting = new ModelRows<StoredMessage>()
  /** By number. */
  readonly letters = new ModelRows<DeadLetterRow>()
  /** The last number given to a message that waits or to a dead letter. */
  numbers = 0
  /** In the order of their commits. */
  readonly effects: Effect[] = []
}
