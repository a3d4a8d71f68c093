/**
 * One term of holding a lane. Epoch and token stand in every write. The local clock says when the lease may have run
 * out without our knowing: from then on no publish is begun.
 */
export class Lease {
  readonly lane: number
  readonly epoch: string
  readonly token: string
  readonly #leaseMs: number
  readonly #monotonicMs: () => number
  #signOfLife: number

  /** `signOfLife`: the monotonic time, in milliseconds, *before* the statement that took the lease was sent. */
  constructor(parts: {
    readonly lane: number
    readonly epoch: string
    readonly token: string
    readonly leaseMs: number
    readonly monotonicMs: () => number
    readonly signOfLife: number
  }) {
    this.lane = parts.lane
    this.epoch = parts.epoch
    this.token = parts.token
    this.#leaseMs = parts.leaseMs
    this.#monotonicMs = parts.monotonicMs
    this.#signOfLife = parts.signOfLife
  }

  /** The lease was renewed by a statement sent at `signOfLife`. */
  renewed(signOfLife: number): void {
    this.#signOfLife = Math.max(this.#signOfLife, signOfLife)
  }

  /** The server counts from when it ran the statement, we from when we sent it: ours ends first. */
  get valid(): boolean {
    return this.#monotonicMs() - this.#signOfLife < this.#leaseMs
  }
}
