import type { ErrorCode } from '@oncebox/core'
import type { PublishedRecord } from '@oncebox/testkit'
import type { OutgoingRecord, Publisher, PublishOutcome } from '@oncebox/transport'
import type { Dice } from './dice.js'
import { numberOf } from './outboxRow.js'
import type { SimulatedProcess } from './process.js'
import type { Timeline } from './timeline.js'

/** What the broker does to requests. Probabilities, a request of one partition at a time. */
export interface BrokerFaults {
  /** Written, and the answer is lost. */
  readonly ackLost: number
  /** Not written, and no answer. */
  readonly lost: number
  /** No answer, and written a good while later. */
  readonly late: number
}

export interface BrokerParts {
  readonly timeline: Timeline
  readonly partitions: number
  readonly faults: BrokerFaults
  /** Messages that are refused until this time, by number. */
  readonly refused: ReadonlyMap<number, number>
  /** Topics that do not exist until this time. */
  readonly missing: ReadonlyMap<string, number>
  readonly tell: (what: string) => void
}

interface Written {
  readonly id: string
  readonly topic: string
  readonly key: string | null
}

/** Topics with partitions, and a log of each. */
export class ModelBroker {
  readonly records: PublishedRecord[] = []
  /** When a message was first written, in virtual milliseconds, by id. */
  readonly arrived = new Map<string, number>()
  readonly #parts: BrokerParts
  readonly #ends = new Map<string, number>()
  /** True while faults happen. */
  faulty = true

  constructor(parts: BrokerParts) {
    this.#parts = parts
  }

  /** The client of one process. */
  publisher(process: SimulatedProcess, dice: Dice): Publisher {
    const { timeline, partitions, missing } = this.#parts
    const answer = <T>(value: T, ms: number): Promise<T> =>
      new Promise((resolve) => process.after(ms, () => resolve(value)))
    return {
      name: 'model',
      connect: () => answer(undefined, dice.below(2)),
      createTopic: () => answer(undefined, 1),
      partitions: (topic) => answer((missing.get(topic) ?? 0) > timeline.now ? null : partitions, 1 + dice.below(3)),
      close: () => answer(undefined, 0),
      publish: (records) => answerAll(this.#send(records, dice), process),
    }
  }

  /** Sends the requests of a call, one a partition; what comes of each record, and when that is known. */
  #send(records: readonly OutgoingRecord[], dice: Dice): { readonly outcome: PublishOutcome; readonly ms: number }[] {
    const outcomes: { outcome: PublishOutcome; ms: number }[] = records.map(() => ({
      outcome: { status: 'held' },
      ms: 0,
    }))
    const requests = new Map<string, number[]>()
    const stopped = new Set<string>()
    for (const [index, record] of records.entries()) {
      const key = record.key === null ? null : Buffer.from(record.key).toString()
      const place = `${record.topic} ${key}`
      // Nothing goes past an earlier record of its key that was refused.
      if (key !== null && stopped.has(place)) continue
      if (this.#refuses(record)) {
        stopped.add(place)
        outcomes[index] = { outcome: failed('refused', 'RECORD_TOO_LARGE'), ms: 2 }
        continue
      }
      const partition = record.partition ?? dice.below(this.#parts.partitions)
      const request = `${record.topic} ${partition}`
      requests.set(request, [...(requests.get(request) ?? []), index])
    }
    for (const [request, indexes] of requests) {
      const [topic = '', partition = ''] = request.split(' ')
      const written = indexes.map((index) => writtenOf(records[index] as OutgoingRecord))
      this.#request(topic, Number(partition), written, dice, (at, outcome, ms) => {
        outcomes[indexes[at] as number] = { outcome, ms }
      })
    }
    return outcomes
  }

  #request(
    topic: string,
    partition: number,
    written: readonly Written[],
    dice: Dice,
    answer: (at: number, outcome: PublishOutcome, ms: number) => void,
  ): void {
    const { timeline, faults, tell } = this.#parts
    const ms = 1 + dice.below(5)
    const fate = this.faulty ? dice.next() : 1
    const place = `${topic}/${partition}`
    const ids = written.map(({ id }) => `m${numberOf(id)}`).join(' ')
    const noAnswer = (): void => {
      for (const at of written.keys()) answer(at, failed('failed', 'TRANSPORT_FAILED'), ms + 20)
    }
    const write = (after: number, how: string): void => {
      timeline.after(after, () => {
        tell(`${place} gets ${ids}${how}`)
        for (const record of written) this.#append(record, partition)
      })
    }
    if (fate < faults.ackLost) {
      write(ms, ', and its answer is lost')
      noAnswer()
    } else if (fate < faults.ackLost + faults.lost) {
      tell(`a request with ${ids} for ${place} is lost`)
      noAnswer()
    } else if (fate < faults.ackLost + faults.lost + faults.late) {
      write(30 + dice.below(400), ', late')
      noAnswer()
    } else {
      write(ms, '')
      // Offsets are the broker's business; what the relay writes down of them is not judged here.
      for (const at of written.keys()) {
        answer(at, { status: 'acked', partition, offset: null }, ms + 1 + dice.below(4))
      }
    }
  }

  /** Everything is written once more, where it is: a relay that lost its memory, or somebody who plays a topic again. */
  replay(): void {
    this.#parts.tell(`${this.records.length} records are written again`)
    for (const record of [...this.records]) this.#append(record, record.partition)
  }

  #append({ id, topic, key }: Written, partition: number): void {
    const place = `${topic} ${partition}`
    const offset = this.#ends.get(place) ?? 0
    this.#ends.set(place, offset + 1)
    this.records.push({ id, topic, key, partition, offset })
    if (!this.arrived.has(id)) this.arrived.set(id, this.#parts.timeline.now)
  }

  #refuses(record: OutgoingRecord): boolean {
    const until = this.#parts.refused.get(numberOf(writtenOf(record).id))
    return until !== undefined && until > this.#parts.timeline.now
  }
}

function answerAll(
  outcomes: readonly { readonly outcome: PublishOutcome; readonly ms: number }[],
  process: SimulatedProcess,
): Promise<PublishOutcome[]> {
  const ms = Math.max(1, ...outcomes.map((each) => each.ms))
  return new Promise((resolve) => process.after(ms, () => resolve(outcomes.map(({ outcome }) => outcome))))
}

function failed(status: 'failed' | 'refused', code: ErrorCode): PublishOutcome {
  return { status, code, reason: 'on purpose' }
}

function writtenOf({ headers, topic, key }: OutgoingRecord): Written {
  const id = headers.find(([name]) => name === 'ce_id')?.[1]
  return { id: String(id), topic, key: key === null ? null : Buffer.from(key).toString() }
}
