/** What is to be closed when some work is over, however it ends; the last opened first. As `AsyncDisposableStack`, which Node.js has from 24 on. */
export class Closers implements AsyncDisposable {
  #closers: (() => unknown)[] = []

  /** Has `close` called at the end. */
  defer(close: () => unknown): void {
    this.#closers.push(close)
  }

  /** Hands everything on to another one: this one closes nothing any more. */
  move(): Closers {
    const other = new Closers()
    other.#closers = this.#closers
    this.#closers = []
    return other
  }

  /** Closes everything, also when some of it fails; rejects with the first failure. */
  async [Symbol.asyncDispose](): Promise<void> {
    const failures: unknown[] = []
    for (const close of this.#closers.splice(0).reverse()) {
      try {
        await close()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }
}
