import type { Publisher } from '@oncebox/transport'
import type { LaneRules } from './modelDatabase.js'
import type { SessionChange } from './modelPool.js'
import type { Schedule } from './schedule.js'
import type { Run } from './statement.js'

/** A deliberate defect, as changes to what relay and consumer say to others and hear from them. */
export interface Defect {
  /** Schedules in which it can show; all by default. */
  concerns?(schedule: Schedule): boolean
  /** For one relay process. */
  pool?(): SessionChange
  publisher?(publisher: Publisher): Publisher
  /** How a relay's statements are run. */
  relay?(run: Run): Run
  /** For one consumer process. */
  consumerPool?(): SessionChange
  /** What a change of the number of lanes leaves out. */
  readonly laneRules?: Partial<LaneRules>
  /** How a consumer's statements are run. */
  inbox?(run: Run): Run
}
