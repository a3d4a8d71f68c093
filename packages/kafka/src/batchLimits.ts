/** A topic's limit may have been raised since: it is tried again after so long. */
const rememberedMs = 600_000

/**
 * How many bytes a batch may take: what was set, and less where a broker refused a batch of several records as too large
 * (the topic's `max.message.bytes`). Known only from refusals: reading a topic's settings takes a right of its own.
 */
export class BatchLimits {
  readonly #most: number
  readonly #learned = new Map<string, { readonly bytes: number; readonly until: number }>()

  constructor(most: number) {
    this.#most = most
  }

  of(topic: string, nowMs: number): number {
    const learned = this.#learned.get(topic)
    if (learned === undefined) return this.#most
    if (nowMs < learned.until) return learned.bytes
    this.#learned.delete(topic)
    return this.#most
  }

  /** A batch of several records, `bytes` by the estimate that batches are filled by, was refused as too large. */
  refused(topic: string, bytes: number, nowMs: number): void {
    const half = Math.max(1, Math.floor(bytes / 2))
    this.#learned.set(topic, { bytes: Math.min(half, this.of(topic, nowMs)), until: nowMs + rememberedMs })
  }
}
