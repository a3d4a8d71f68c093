/** Chance that a seed determines. */
export interface Dice {
  /** From 0 up to 1. */
  next(): number
  /** A whole number from 0 up to `limit`. */
  below(limit: number): number
  chance(probability: number): boolean
  pick<T>(from: readonly T[]): T
}

/**
 * Dice of their own for each path of numbers below a seed: what one actor throws does not shift what another one does,
 * so that a schedule stays the same around what is taken out of it. Mulberry32.
 */
export function diceOf(seed: number, ...path: readonly number[]): Dice {
  let state = seed | 0
  for (const step of path) state = Math.imul(state ^ (step + 0x9e3779b9), 0x85ebca6b) ^ (state >>> 13)
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
  return diceFrom(next)
}

/** Dice over a source of numbers from 0 up to 1. */
export function diceFrom(next: () => number): Dice {
  return {
    next,
    below: (limit) => Math.floor(next() * limit),
    chance: (probability) => next() < probability,
    pick: (from) => from[Math.floor(next() * from.length)] as (typeof from)[number],
  }
}
