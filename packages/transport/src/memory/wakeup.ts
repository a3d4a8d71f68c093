/** Lets one loop wait for something to happen, without a timer. */
export class Wakeup {
  #notify: () => void = () => {}

  /** Resolves at the next `notify`. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#notify = resolve
    })
  }

  notify(): void {
    this.#notify()
  }
}
