/** A partition to be fetched from a leader. */
export interface WantedPartition {
  readonly topicId: string
  readonly partition: number
  readonly fetchOffset: number
  readonly maxBytes: number
}

export interface FetchPlan {
  readonly sessionId: number
  readonly sessionEpoch: number
  /** Only what the broker does not know yet. */
  readonly wanted: readonly WantedPartition[]
  /** What the broker shall serve no longer. */
  readonly forgotten: readonly Pick<WantedPartition, 'topicId' | 'partition'>[]
}

const lastEpoch = 2 ** 31 - 1

/** What a leader remembers of our fetches, so that a request only names what changed (KIP-227). No I/O. */
export class FetchSession {
  #id = 0
  #epoch = 0
  #known = new Map<string, WantedPartition>()
  #asked = new Map<string, WantedPartition>()

  /** The next request. */
  plan(wanted: readonly WantedPartition[]): FetchPlan {
    this.#asked = new Map(wanted.map((each) => [nameOf(each), each]))
    if (this.#id === 0) return { sessionId: 0, sessionEpoch: 0, wanted, forgotten: [] }
    return {
      sessionId: this.#id,
      sessionEpoch: this.#epoch,
      wanted: wanted.filter((each) => {
        const known = this.#known.get(nameOf(each))
        return known === undefined || known.fetchOffset !== each.fetchOffset || known.maxBytes !== each.maxBytes
      }),
      forgotten: [...this.#known].filter(([name]) => !this.#asked.has(name)).map(([, each]) => each),
    }
  }

  /** The request was answered under `sessionId`; 0 when the broker keeps no session. */
  answered(sessionId: number): void {
    this.#epoch = sessionId !== this.#id || this.#epoch === lastEpoch ? 1 : this.#epoch + 1
    this.#id = sessionId
    this.#known = this.#asked
  }

  /** The request failed, and nobody knows what the broker remembers: the next one names everything. */
  reset(): void {
    this.#id = 0
    this.#epoch = 0
    this.#known = new Map()
  }
}

function nameOf({ topicId, partition }: Pick<WantedPartition, 'topicId' | 'partition'>): string {
  return `${topicId}/${partition}`
}
