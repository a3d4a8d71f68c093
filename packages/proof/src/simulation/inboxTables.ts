import type { Effect } from '@oncebox/testkit'
import type { ModelTransaction } from './modelDatabase.js'

/** Rows by their key, each with the transaction that wrote it; others see it once that has committed. */
export class ModelRows<Value> {
  readonly #rows = new Map<string, { readonly value: Value; readonly by: ModelTransaction | null }>()

  get(key: string, reader: ModelTransaction): Value | undefined {
    const row = this.#rows.get(key)
    return row !== undefined && (row.by === null || row.by === reader || row.by.committed) ? row.value : undefined
  }

  keys(): string[] {
    return [...this.#rows.keys()]
  }

  /** Writes or, with undefined, deletes. The row is locked by the writer; answers how to take it back. */
  put(key: string, value: Value | undefined, by: ModelTransaction): () => void {
    const before = this.#rows.get(key)
    if (value === undefined) this.#rows.delete(key)
    else this.#rows.set(key, { value, by })
    return () => {
      if (before === undefined) this.#rows.delete(key)
      else this.#rows.set(key, before)
    }
  }
}

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
