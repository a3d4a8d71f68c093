import { writeSync } from 'node:fs'
import type { CrashPoint } from './crashPoints.js'

/** Kills this process (SIGKILL) when it reaches a point for the `time`-th time, and says so on standard output first. */
export class Trap {
  readonly #point: CrashPoint | undefined
  #left: number

  constructor(point: CrashPoint | undefined, time: number) {
    this.#point = point
    this.#left = time
  }

  /** The moment at which to die around this statement; undefined: live on. */
  statement(text: string): CrashPoint['moment'] | undefined {
    const at = this.#point?.at
    return at !== undefined && 'statement' in at && at.statement.test(text.trimStart()) ? this.#reached() : undefined
  }

  request(kind: number): CrashPoint['moment'] | undefined {
    const at = this.#point?.at
    return at !== undefined && 'request' in at && at.request === kind ? this.#reached() : undefined
  }

  step(name: string): void {
    const at = this.#point?.at
    if (at !== undefined && 'step' in at && at.step === name && this.#reached() !== undefined) this.spring()
  }

  spring(): void {
    writeSync(1, `hit ${this.#point?.name}\n`)
    process.kill(process.pid, 'SIGKILL')
  }

  /**
   * What was handed to a socket in this turn is with the kernel one tick later (pg uncorks in a tick of its own), and no
   * answer is read before the ticks are over.
   */
  springOnceSent(): void {
    process.nextTick(() => process.nextTick(() => this.spring()))
  }

  /** What the point is after did not happen: the next time counts. */
  missed(): void {
    this.#left = 1
  }

  #reached(): CrashPoint['moment'] | undefined {
    return --this.#left === 0 ? this.#point?.moment : undefined
  }
}
