import type { Effect } from '@oncebox/testkit'
import { ModelRows } from './modelRows.js'

/** What a consumer group keeps, and what its handlers did. */
export class InboxTables {
  readonly ids = new ModelRows<true>()
  readonly offsets = new ModelRows<number>()
  /** Failed or begun attempts by message. */
  readonly attempts = new ModelRows<number>()
  /** Who holds which partition, and how many messages at a time it handles with care. */
  readonly held = new ModelRows<{ readonly atATime: number | null }>()
  /** In the order of their commits. */
  readonly effects: Effect[] = []
}
