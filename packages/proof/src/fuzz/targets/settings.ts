import { isOnceboxError } from '@oncebox/core'
import type { Dice } from '../../simulation/dice.js'
import { junkText, junkValue } from '../junk.js'
import { outcomeOf } from '../outcome.js'
import { type Outcome, plainTarget, type Target } from '../target.js'
import { type Factory, factories } from './factories.js'

/**
 * The settings of every public factory: what is not of a setting's kind is refused with `INVALID_SETTING`, and so is a
 * setting that is missing; nothing else is thrown.
 */
export const settings: Target = {
  name: 'settings',
  cases: { full: 200_000, slice: 10_000 },
  atOnce: 1_000,
  open: plainTarget(make, attempt),
}

interface Case {
  readonly name: string
  /** Settings put in the place of good ones; or, instead of all of them, anything at all. */
  readonly changes: Readonly<Record<string, unknown>> | { readonly whole: unknown }
}

const numbers = [0, 1, -1, 0.5, 3, 999, 1_000, 60_000, 2 ** 31 - 1, 2 ** 31, 2 ** 40, 2 ** 53, 1e308]
const oddNumbers = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 10n]
const names = Object.keys(factories)

function make(dice: Dice): Case {
  const name = dice.pick(names)
  if (dice.chance(0.03)) return { name, changes: { whole: junkValue(dice) } }
  const { kinds } = factories[name] as Factory
  const changed = Array.from({ length: 1 + dice.below(3) }, () => [dice.pick(Object.keys(kinds)), anything(dice)])
  return { name, changes: Object.fromEntries(changed) }
}

function anything(dice: Dice): unknown {
  const kind = dice.below(8)
  if (kind === 0) return dice.pick(numbers)
  if (kind === 1) return dice.pick(oddNumbers)
  if (kind === 2) return String(dice.pick(numbers))
  if (kind === 3)
    return dice.pick([[], {}, [junkText(dice)], { [junkText(dice)]: junkText(dice) }, [undefined], [null]])
  if (kind === 4)
    return dice.pick([
      undefined,
      null,
      true,
      false,
      'park',
      'none',
      'orders',
      ['localhost:99999'],
      ['localhost:0'],
      () => undefined,
    ])
  if (kind === 5)
    return {
      ...(junkValue(dice) as object),
      minMs: dice.pick(numbers),
      topic: junkText(dice),
      mechanism: junkText(dice),
    }
  return junkValue(dice)
}

async function attempt({ name, changes }: Case): Promise<Outcome> {
  const { make: factory, needs, kinds } = factories[name] as Factory
  const whole = 'whole' in changes
  const options = whole ? changes.whole : { ...needs, ...changes }
  const wrong = whole ? noObject(options) : wrongIn(options as Record<string, unknown>, needs, kinds)
  let refusal: unknown
  const outcome = await outcomeOf(async () => {
    try {
      return factory(options as never)
    } catch (error) {
      refusal = error
      throw error
    }
  })
  if (outcome === 'refused' && !isOnceboxError(refusal, 'INVALID_SETTING')) return { broken: `refused with ${refusal}` }
  return outcome === 'taken' && wrong !== null ? { broken: `${name} takes ${wrong}` } : outcome
}

/** Nothing at all is fine where nothing is needed. */
function noObject(options: unknown): string | null {
  return (typeof options === 'object' && options !== null) || options === undefined
    ? null
    : `${typeof options} for its settings`
}

function wrongIn(
  options: Readonly<Record<string, unknown>>,
  needs: Factory['needs'],
  kinds: Factory['kinds'],
): string | null {
  for (const [name, fits] of Object.entries(kinds)) {
    const value = options[name]
    if (value === undefined ? name in needs : !fits(value)) return `a ${name} that is none`
  }
  return null
}
