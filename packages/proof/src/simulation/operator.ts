import { type Database, isOnceboxError } from '@oncebox/core'
import { pgDatabase } from '@oncebox/core/pg'
import { type PauseTarget, pausePublishing, resumePublishing } from '@oncebox/ops'
import { changeLanes } from '@oncebox/relay'
import type { ClientBase, Pool } from 'pg'
import type { modelPool } from './modelPool.js'
import type { PausePlan } from './pausePlans.js'
import { pauseKey } from './pauseStatements.js'
import type { PauseWatch } from './pauseWatch.js'
import type { SimulatedProcess } from './process.js'
import type { LaneChangePlan } from './schedule.js'

export interface OperatorParts {
  readonly pool: ReturnType<typeof modelPool>
  readonly process: SimulatedProcess
  readonly watch: PauseWatch
  readonly tell: (what: string) => void
}

/**
 * Somebody who shares the keys out over another number of lanes, pauses topics and lanes and lets them go on, and tries again
 * for as long as the database is away.
 */
export class Operator {
  /** What is not done yet. */
  open = 0
  readonly #database: Database<ClientBase>
  readonly #parts: OperatorParts

  constructor(parts: OperatorParts) {
    // The model has what pgDatabase uses of a pool.
    this.#database = pgDatabase(parts.pool as unknown as Pool)
    this.#parts = parts
  }

  plan({ at, lanes, holdMs }: LaneChangePlan): void {
    this.open++
    this.#insist(
      at,
      () => this.#change(lanes, holdMs),
      () => this.open--,
    )
  }

  planPause({ at, target, ms }: PausePlan): void {
    this.open++
    const resume = (): void =>
      this.#insist(
        ms,
        () => this.#resume(target),
        () => this.open--,
      )
    this.#insist(at, () => this.#pause(target), resume)
  }

  #insist(ms: number, work: () => Promise<void>, then: () => void): void {
    const { process } = this.#parts
    const attempt = (): void => {
      work().then(then, () => process.after(50, attempt))
    }
    process.after(ms, attempt)
  }

  async #change(lanes: number, holdMs: number): Promise<void> {
    const { process, watch, tell } = this.#parts
    watch.lanesEnded(lanes)
    const { before } = await this.#database
      .transaction(async ({ tx }) => {
        const changed = await changeLanes(tx, lanes)
        if (holdMs > 0) await process.clock.sleep(holdMs)
        return changed
      })
      .finally(() => watch.lanesEnded(lanes))
    tell(`the keys are shared out over ${lanes} lanes, no longer over ${before}`)
  }

  async #pause(target: PauseTarget): Promise<void> {
    const { watch, tell } = this.#parts
    const options = { targets: [target], by: 'an operator' }
    try {
      const paused = await this.#database.transaction(({ tx }) => pausePublishing(tx, options))
      // What was paused already may be going on at this moment.
      if (paused.length > 0) watch.began(pauseKey(target))
      tell(`${pauseKey(target)} is ${paused.length > 0 ? 'paused' : 'paused already'}`)
    } catch (error) {
      if (!isOnceboxError(error, 'LANE_MISSING')) throw error
    }
  }

  async #resume(target: PauseTarget): Promise<void> {
    const { watch, tell } = this.#parts
    const options = { targets: [target], by: 'an operator' }
    watch.ended(pauseKey(target))
    const resumed = await this.#database
      .transaction(({ tx }) => resumePublishing(tx, options))
      .finally(() => watch.ended(pauseKey(target)))
    if (resumed.length > 0) tell(`${pauseKey(target)} may go on`)
  }
}
