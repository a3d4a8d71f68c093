import { diceOf } from './dice.js'
import type { WriterPlan } from './schedule.js'

/** Most of what is written in a quarter of the schedules is for later; some of it for round times, as people like them. */
export function withDueTimes(seed: number, writers: readonly WriterPlan[]): readonly WriterPlan[] {
  const dice = diceOf(seed, 12)
  if (dice.chance(0.75)) return writers
  return writers.map((writer) => ({
    ...writer,
    steps: writer.steps.map((step) => {
      if (step.silent || dice.chance(0.3)) return step
      return { ...step, dueAt: dice.chance(0.75) ? 300 * (1 + dice.below(3)) : dice.below(900) }
    }),
  }))
}
