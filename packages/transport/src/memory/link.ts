/** The connection between an in-memory transport and its clients, and the faults a test has ordered for it. */
export class Link {
  connected = true
  readonly #faults: PublishFault[] = []

  /** Orders a fault for the next publish that has none yet. */
  fail(fault: PublishFault): void {
    this.#faults.push(fault)
  }

  takeFault(): PublishFault | undefined {
    return this.#faults.shift()
  }
}

/** `ackLost`: written, but the acknowledgement does not come. `notSent`: neither. Both are outcome `failed`. */
export type PublishFault = 'ackLost' | 'notSent'
