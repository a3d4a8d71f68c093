import type { ModelTransaction } from './modelDatabase.js'

export interface Version<Value> {
  /** Undefined: deleted. */
  readonly value: Value | undefined
  readonly by: ModelTransaction
}

/**
 * Rows by their key, in versions: a reader sees its own last one, or else the last that was committed. Writers have the row
 * locked, so that at most one of its versions is not committed.
 */
export class ModelRows<Value> {
  readonly #rows = new Map<string, Version<Value>[]>()

  get(key: string, reader: ModelTransaction): Value | undefined {
    return this.seen(key, reader)?.value
  }

  seen(key: string, reader: ModelTransaction): Version<Value> | undefined {
    return this.#rows.get(key)?.findLast(({ by }) => by === reader || by.committed)
  }

  /** What has become of a version by now: undefined when its row was deleted, also if there is another one of that key. */
  latest(key: string, of: Version<Value>, reader: ModelTransaction): Value | undefined {
    const versions = this.#rows.get(key) ?? []
    const later = versions.slice(versions.indexOf(of)).filter(({ by }) => by === reader || by.committed)
    return later.some(({ value }) => value === undefined) ? undefined : later.at(-1)?.value
  }

  /** Whether somebody else is writing or deleting the row, and has not ended. */
  isChanging(key: string, reader: ModelTransaction): boolean {
    const by = this.#rows.get(key)?.at(-1)?.by
    return by !== undefined && by !== reader && !by.committed
  }

  /** Keys of every version, also of rows that nobody sees any more. */
  keys(): string[] {
    return [...this.#rows.keys()]
  }

  /** Rows that the reader sees, in the order in which they were first written. */
  entries(reader: ModelTransaction): [key: string, value: Value][] {
    return this.keys().flatMap((key): [string, Value][] => {
      const value = this.get(key, reader)
      return value === undefined ? [] : [[key, value]]
    })
  }

  /** Writes or, with undefined, deletes. The row is locked by the writer; answers how to take it back. */
  put(key: string, value: Value | undefined, by: ModelTransaction): () => void {
    const versions = this.#rows.get(key) ?? []
    const version = { value, by }
    versions.push(version)
    this.#rows.set(key, versions)
    return () => {
      versions.splice(versions.lastIndexOf(version), 1)
      if (versions.length === 0 && this.#rows.get(key) === versions) this.#rows.delete(key)
    }
  }
}
