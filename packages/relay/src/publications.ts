import type { PublishedBatch } from '@oncebox/schema'
import type { PublishOutcome } from '@oncebox/transport'

interface Run {
  readonly first: number
  last: number
  readonly base: number | null
  count: number
}

/** What of an entry is written down. */
interface Published {
  readonly topic: string
  readonly position: number
}

/**
 * Which messages were acknowledged where, until it is written down: for each partition, runs of messages whose positions
 * rise and whose offsets follow each other.
 */
export class Publications {
  readonly #lane: number
  readonly #topics = new Map<string, Run[][]>()

  constructor(lane: number) {
    this.#lane = lane
  }

  get empty(): boolean {
    return this.#topics.size === 0
  }

  /** Takes note of what was acknowledged of one call; `outcomes` in the order of `entries`. */
  add(entries: readonly Published[], outcomes: readonly PublishOutcome[]): void {
    let topic = ''
    let partitions: Run[][] = []
    for (let index = 0; index < entries.length; index++) {
      const outcome = outcomes[index]
      if (outcome?.status !== 'acked') continue
      const entry = entries[index] as Published
      if (entry.topic !== topic || index === 0) {
        topic = entry.topic
        partitions = this.#of(topic)
      }
      partitions[outcome.partition] ??= []
      extend(partitions[outcome.partition] as Run[], entry.position, outcome.offset)
    }
  }

  /** Everything since the last call. */
  take(): PublishedBatch[] {
    const batches: PublishedBatch[] = []
    for (const [topic, partitions] of this.#topics) {
      partitions.forEach((runs, partition) => {
        for (const { first, last, base, count } of runs) {
          const [firstPosition, lastPosition] = [String(first), String(last)]
          const baseOffset = base === null ? null : String(base)
          batches.push({ lane: this.#lane, topic, partition, firstPosition, lastPosition, baseOffset, count })
        }
      })
    }
    this.#topics.clear()
    return batches
  }

  #of(topic: string): Run[][] {
    let partitions = this.#topics.get(topic)
    if (partitions === undefined) {
      partitions = []
      this.#topics.set(topic, partitions)
    }
    return partitions
  }
}

function extend(runs: Run[], position: number, offset: number | null): void {
  const run = runs.at(-1)
  const follows =
    run !== undefined && position > run.last && offset === (run.base === null ? null : run.base + run.count)
  if (!follows) {
    runs.push({ first: position, last: position, base: offset, count: 1 })
    return
  }
  run.last = position
  run.count++
}
