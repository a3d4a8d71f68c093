import type { PauseTarget } from '@oncebox/ops'
import { diceOf } from './dice.js'

/** An operator pauses a topic or a lane, and lets it go on. */
export interface PausePlan {
  readonly at: number
  readonly target: PauseTarget
  /** How long it stays so, in milliseconds. */
  readonly ms: number
}

/** In a quarter of the schedules. `lanes`: the most that there are at any time; `span`: when the last of them begins. */
export function pausesOf(seed: number, lanes: number, span: number): readonly PausePlan[] {
  const dice = diceOf(seed, 13)
  if (dice.chance(0.75)) return []
  return Array.from({ length: 1 + dice.below(3) }, (): PausePlan => {
    const target = dice.chance(0.7) ? { topic: dice.chance(0.8) ? 'a' : 'b' } : { lane: dice.below(lanes) }
    return { at: dice.below(span), target, ms: 20 + dice.below(dice.chance(0.3) ? 1_500 : 400) }
  })
}
