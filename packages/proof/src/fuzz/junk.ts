import type { Dice } from '../simulation/dice.js'

const texts = [
  '',
  'a',
  'orders',
  'ce_id',
  'content-type',
  'application/json',
  'text/plain',
  '__proto__',
  'id',
  '\0',
  '\ud800',
  'é',
  '💥',
  '-1',
  '{}',
  '"',
  'null',
  '019b7000-0000-7000-8000-000000000001',
  'x'.repeat(300),
]

/** Text as nobody should send it, and everybody does some day. */
export function junkText(dice: Dice): string {
  if (dice.chance(0.6)) return dice.pick(texts)
  return String.fromCharCode(
    ...Array.from({ length: dice.below(12) }, () => dice.below(dice.chance(0.8) ? 128 : 65_536)),
  )
}

export function junkBytes(dice: Dice): Buffer {
  if (dice.chance(0.4)) return Buffer.from(junkText(dice))
  return Buffer.from(Array.from({ length: dice.below(24) }, () => dice.below(256)))
}

/** Any value at all, also ones that no JSON holds. */
export function junkValue(dice: Dice, depth = 0): unknown {
  const kind = dice.below(depth > 3 ? 9 : 12)
  switch (kind) {
    case 0:
      return null
    case 1:
      return undefined
    case 2:
      return dice.pick([0, -0, Number.NaN, Number.POSITIVE_INFINITY, 1e308, 0.1, -1])
    case 3:
      return dice.chance(0.5)
    case 4:
      return junkText(dice)
    case 5:
      return dice.pick([10n, Symbol('x'), () => 1, new Date(Number.NaN), new Date(0), /x/])
    case 6:
      return junkBytes(dice)
    case 7:
      return new Map([[junkText(dice), 1]])
    case 8:
      return Object.create(null)
    case 9:
      return Array.from({ length: dice.below(4) }, () => junkValue(dice, depth + 1))
    case 10: {
      const cyclic: Record<string, unknown> = {}
      cyclic.self = cyclic
      return cyclic
    }
    default:
      return Object.fromEntries(
        Array.from({ length: dice.below(4) }, () => [junkText(dice), junkValue(dice, depth + 1)]),
      )
  }
}
