import type { Database } from '@oncebox/core'
import { pgDatabase } from '@oncebox/core/pg'
import { changeLanes } from '@oncebox/relay'
import type { ClientBase, Pool } from 'pg'
import type { modelPool } from './modelPool.js'
import type { SimulatedProcess } from './process.js'
import type { LaneChangePlan } from './schedule.js'

/** Somebody who shares the keys out over another number of lanes, and tries again for as long as the database is away. */
export class Operator {
  /** Changes that are not made yet. */
  open = 0
  readonly #database: Database<ClientBase>
  readonly #process: SimulatedProcess
  readonly #tell: (what: string) => void

  constructor(pool: ReturnType<typeof modelPool>, process: SimulatedProcess, tell: (what: string) => void) {
    // The model has what pgDatabase uses of a pool.
    this.#database = pgDatabase(pool as unknown as Pool)
    this.#process = process
    this.#tell = tell
  }

  plan({ at, lanes, holdMs }: LaneChangePlan): void {
    this.open++
    const attempt = (): void => {
      this.#change(lanes, holdMs).then(
        () => {
          this.open--
        },
        () => this.#process.after(50, attempt),
      )
    }
    this.#process.after(at, attempt)
  }

  async #change(lanes: number, holdMs: number): Promise<void> {
    const { before } = await this.#database.transaction(async ({ tx }) => {
      const changed = await changeLanes(tx, lanes)
      if (holdMs > 0) await this.#process.clock.sleep(holdMs)
      return changed
    })
    this.#tell(`the keys are shared out over ${lanes} lanes, no longer over ${before}`)
  }
}
