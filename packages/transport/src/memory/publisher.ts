import { OnceboxError } from '@oncebox/core'
import { orderKey } from '../orderKey.js'
import type { OutgoingRecord, Publisher, PublishOutcome } from '../publisher.js'
import type { Link } from './link.js'
import type { Log } from './log.js'

const away = { status: 'failed', code: 'TRANSPORT_UNREACHABLE', reason: 'the transport is disconnected' } as const
const noAck = { status: 'failed', code: 'TRANSPORT_FAILED', reason: 'no acknowledgement came' } as const

export class MemoryPublisher implements Publisher {
  readonly name = 'memory'
  readonly #log: Log
  readonly #link: Link
  #closed = false

  constructor(log: Log, link: Link) {
    this.#log = log
    this.#link = link
  }

  async connect(): Promise<void> {
    this.#reach()
  }

  async partitions(topic: string): Promise<number | null> {
    this.#reach()
    return this.#log.use(topic)?.partitions ?? null
  }

  async createTopic(topic: string, partitions: number): Promise<void> {
    this.#reach()
    this.#log.create(topic, partitions)
  }

  async publish(records: readonly OutgoingRecord[]): Promise<PublishOutcome[]> {
    // A turn of the event loop, as any real transport takes.
    await new Promise((resolve) => setImmediate(resolve))
    if (this.#closed || !this.#link.connected) return records.map(() => away)
    const fault = this.#link.takeFault()
    if (fault === 'notSent') return records.map(() => noAck)
    const stopped = new Set<string>()
    const outcomes = records.map((record): PublishOutcome => {
      const key = orderKey(record)
      if (key !== null && stopped.has(key)) return { status: 'held' }
      const objection = this.#log.objection(record)
      if (objection === null) return { status: 'acked', ...this.#log.append(record) }
      if (key !== null) stopped.add(key)
      return { status: 'refused', ...objection }
    })
    this.#log.announce()
    return fault === 'ackLost' ? outcomes.map((outcome) => (outcome.status === 'acked' ? noAck : outcome)) : outcomes
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  #reach(): void {
    if (this.#closed || !this.#link.connected) {
      throw new OnceboxError(
        'TRANSPORT_UNREACHABLE',
        'The in-memory transport is disconnected or the publisher closed',
        {
          next: 'Call reconnect(), or ask for a new publisher.',
        },
      )
    }
  }
}
