import type { Clock, ErrorCode } from '@oncebox/core'
import { leaseLost } from './cursor.js'
import type { Entry } from './entry.js'
import type { RelayEvent } from './events.js'
import type { Lease } from './lease.js'
import type { ParkedTable } from './parked.js'
import { Wakeup } from './wakeup.js'

/** A message and why it is moved aside. */
export interface Parking {
  readonly entry: Entry
  readonly code: ErrorCode
}

/** What comes within it goes in one statement: of each call under load a message or two may have to join a key aside. */
const shortestIntervalMs = 50
/** Messages a statement: it holds the lane's row, which the renewal of the lease waits for. */
const mostAtOnce = 2_000

export interface ParkQueueParts {
  readonly table: Pick<ParkedTable, 'add'>
  readonly lease: Lease
  readonly clock: Clock
  readonly onEvent: (event: RelayEvent) => void
  /** Called with messages that are on the side track now, for good. */
  readonly onParked: (entries: readonly Entry[]) => void
}

/**
 * Messages on their way to the side track, in order. They are copied beside the publishing, which would otherwise wait for
 * a round trip with every call; until they are copied they count as unsettled, so that the cursor stays before them and
 * memory stays bounded.
 */
export class ParkQueue {
  readonly #parts: ParkQueueParts
  readonly #wakeup: Wakeup
  #waiting: Parking[] = []
  #writing = false
  #turn: Promise<void> = Promise.resolve()

  constructor(parts: ParkQueueParts) {
    this.#parts = parts
    this.#wakeup = new Wakeup(parts.clock)
  }

  /** True when everything that was added is copied. */
  get empty(): boolean {
    return this.#waiting.length === 0 && !this.#writing
  }

  add(entries: readonly Entry[], code: ErrorCode): void {
    if (entries.length === 0) return
    for (const entry of entries) this.#waiting.push({ entry, code })
    this.#wakeup.notify()
  }

  /** Copies what comes until `signal` aborts. @throws OnceboxError `LEASE_LOST` */
  async run(signal: AbortSignal): Promise<void> {
    const wake = () => this.#wakeup.notify()
    signal.addEventListener('abort', wake, { once: true })
    while (!signal.aborted) {
      await this.#wakeup.wait(Number.POSITIVE_INFINITY)
      await this.flush()
      await this.#parts.clock.sleep(shortestIntervalMs, signal)
    }
    signal.removeEventListener('abort', wake)
  }

  /** Resolves when everything added before is copied. @throws OnceboxError `LEASE_LOST` */
  flush(): Promise<void> {
    this.#turn = this.#turn.then(() => this.#copyAll())
    return this.#turn
  }

  async #copyAll(): Promise<void> {
    const { table, lease, onParked } = this.#parts
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, mostAtOnce)
      this.#writing = true
      if (!(await table.add(batch))) throw leaseLost(lease)
      this.#writing = false
      this.#report(batch)
      onParked(batch.map(({ entry }) => entry))
    }
  }

  #report(batch: readonly Parking[]): void {
    const { lease, onEvent } = this.#parts
    const counts = new Map<string, { topic: string; code: ErrorCode; count: number }>()
    for (const { entry, code } of batch) {
      const { topic } = entry
      const known = counts.get(`${code}\0${topic}`)
      if (known === undefined) counts.set(`${code}\0${topic}`, { topic, code, count: 1 })
      else known.count++
    }
    for (const each of counts.values()) onEvent({ event: 'parked', lane: lease.lane, ...each })
  }
}
