const readyForQuery = 'Z'.charCodeAt(0)

/**
 * Counts how often a Postgres server says that it is ready for the next statement, in what it sends piece by piece.
 * The server's messages all have a type byte and a length; only the single byte that answers a request for encryption
 * has not, and that never comes here.
 */
export class BackendTurns {
  /** Of the message that is cut: what of its head is here, and how many bytes of its body are to come. */
  #head: number[] = []
  #left = 0

  /** How many messages "ready" end in `chunk`. */
  push(chunk: Buffer): number {
    let ready = 0
    let at = 0
    while (at < chunk.length) {
      if (this.#head.length < 5) {
        this.#head.push(chunk[at++] as number)
        if (this.#head.length === 5) this.#left = Buffer.from(this.#head).readUInt32BE(1) - 4
      }
      if (this.#head.length < 5) continue
      const taken = Math.min(this.#left, chunk.length - at)
      at += taken
      this.#left -= taken
      if (this.#left > 0) continue
      if (this.#head[0] === readyForQuery) ready++
      this.#head = []
    }
    return ready
  }
}
