import { type Dice, diceFrom } from '../simulation/dice.js'

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

/** Throws below are as good as zero: nothing is picked from so many. */
const smallestThrow = 1 / 4_096

/**
 * Fewer and smaller throws for which `breaks` still holds, after at most `most` tries: parts are left out or become
 * zeros, large parts first, and single ones are halved (after Hypothesis' shrinking of the choices instead of the values).
 */
export async function shrink(
  throws: readonly number[],
  breaks: (throws: readonly number[]) => Promise<boolean>,
  most = 400,
): Promise<readonly number[]> {
  let tries = 0
  const firstThatBreaks = async (candidates: readonly (readonly number[])[]) => {
    for (const candidate of candidates) {
      if (++tries > most) return undefined
      if (await breaks(candidate)) return candidate
    }
    return undefined
  }
  let best = throws
  // What was taken out may let something before it go as well.
  for (let before: unknown; before !== best && tries < most; ) {
    before = best
    for (let size = Math.ceil(best.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
      for (let from = 0; from < best.length; ) {
        const smaller = await firstThatBreaks(smallerOnes(best, from, size))
        best = smaller ?? best
        // What follows a part that was left out is in its place now, and what was halved may be halved again.
        if (smaller === undefined || best.slice(from, from + size).every((thrown) => thrown === 0)) from += size
      }
    }
  }
  return best
}

/** The throws with the part at `from` left out, as zeros, and, of a single one, halved. */
function smallerOnes(throws: readonly number[], from: number, size: number): readonly (readonly number[])[] {
  const [before, part, after] = [throws.slice(0, from), throws.slice(from, from + size), throws.slice(from + size)]
  const [first = 0] = part
  return [
    [...before, ...after],
    ...(part.some((thrown) => thrown !== 0) ? [[...before, ...part.map(() => 0), ...after]] : []),
    ...(size === 1 && first > smallestThrow ? [[...before, first / 2, ...after]] : []),
  ]
}
