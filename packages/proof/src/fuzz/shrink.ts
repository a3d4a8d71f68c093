import type { Dice } from '../simulation/dice.js'

/** Dice that throw what is written down, numbers from 0 up to 1, and nothing but zeros after it. */
export function writtenDice(throws: readonly number[]): Dice {
  let index = 0
  return diceFrom(() => throws[index++] ?? 0)
}

/** Dice over `dice` that write down what they throw. */
export function writingDice(dice: Dice): { dice: Dice; throws: number[] } {
  const throws: number[] = []
  const next = (): number => {
    const thrown = dice.next()
    throws.push(thrown)
    return thrown
  }
  return { dice: diceFrom(next), throws }
}

function diceFrom(next: () => number): Dice {
  return {
    next,
    below: (limit) => Math.floor(next() * limit),
    chance: (probability) => next() < probability,
    pick: (from) => from[Math.floor(next() * from.length)] as (typeof from)[number],
  }
}

/**
 * Fewer and smaller throws for which `breaks` still holds, after at most `most` tries: parts are left out or become
 * zeros, large parts first (after Hypothesis' shrinking of the choices instead of the values).
 */
export async function shrink(
  throws: readonly number[],
  breaks: (throws: readonly number[]) => Promise<boolean>,
  most = 300,
): Promise<readonly number[]> {
  let best = throws
  let tries = 0
  for (let size = Math.ceil(best.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < best.length && tries < most; ) {
      const [before, part, after] = [best.slice(0, from), best.slice(from, from + size), best.slice(from + size)]
      const smaller = [[...before, ...after]]
      if (part.some((thrown) => thrown !== 0)) smaller.push([...before, ...part.map(() => 0), ...after])
      let found: readonly number[] | undefined
      for (const candidate of smaller) {
        tries++
        if (await breaks(candidate)) {
          found = candidate
          break
        }
      }
      // What follows a part that was left out is in its place now.
      if (found === undefined || found.length === best.length) from += size
      if (found !== undefined) best = found
    }
  }
  return best
}
