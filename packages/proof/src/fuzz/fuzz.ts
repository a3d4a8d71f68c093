import { inspect } from 'node:util'
import { crc32 } from 'node:zlib'
import type { PartOptions, PartReport } from '../partReport.js'
import { type Dice, diceOf } from '../simulation/dice.js'
import { shrink, writingDice, writtenDice } from './shrink.js'
import type { OpenTarget, Outcome, Surroundings, Target } from './target.js'
import { targets } from './targets.js'

const mostTold = 10
/** One that takes longer hangs. */
const batchDeadlineMs = 60_000

export interface FuzzOptions extends Surroundings {
  /** Default: all of them. */
  readonly chosen?: readonly Target[]
}

/** Every entry against junk: each case is taken, or refused with a code, and leaves nothing behind then. */
export async function fuzz(
  { chosen = targets, ...surroundings }: FuzzOptions,
  { seed, extent, progress }: Pick<PartOptions, 'seed' | 'extent' | 'progress'>,
): Promise<PartReport> {
  const begun = performance.now()
  const problems: string[] = []
  const figures: Record<string, number | string> = { cases: 0, refused: 0 }
  for (const target of chosen) {
    const found = await fuzzOne(target, surroundings, seed, target.cases[extent])
    problems.push(...found.problems)
    figures.cases = Number(figures.cases) + target.cases[extent]
    figures.refused = Number(figures.refused) + found.refused
    figures[target.name] = `${target.cases[extent]} cases, ${found.refused} refused, in ${found.seconds.toFixed(1)} s`
    progress(`fuzz: ${target.name}: ${figures[target.name]}, ${found.problems.length} problems`)
  }
  return { part: 'fuzz', figures, problems, seconds: (performance.now() - begun) / 1_000 }
}

async function fuzzOne(target: Target, surroundings: Surroundings, seed: number, cases: number) {
  const begun = performance.now()
  const problems: string[] = []
  // Each has dice of its own, whichever others run.
  const diceFor = (index: number): Dice => diceOf(seed, crc32(target.name), index)
  /** Of each kind of problem, one is told. */
  const told = new Set<string>()
  let refused = 0
  await using open = await target.open(surroundings)
  for (let first = 0; first < cases && problems.length < mostTold; first += target.atOnce) {
    const size = Math.min(target.atOnce, cases - first)
    const batch = Array.from({ length: size }, (_, index) => open.make(diceFor(first + index)))
    const outcomes = await answered(open, batch)
    if (outcomes === null) {
      problems.push(
        `${target.name}, seed ${seed}, cases ${first} to ${first + size - 1}: no answer in ${batchDeadlineMs} ms`,
      )
      break
    }
    refused += outcomes.filter((outcome) => outcome === 'refused').length
    for (const [index, outcome] of outcomes.entries()) {
      if (typeof outcome === 'string' || told.has(kindOf(outcome)) || problems.length >= mostTold) continue
      told.add(kindOf(outcome))
      const what = `${target.name}, seed ${seed}, case ${first + index}: ${outcome.broken}`
      problems.push(`${what}\n${await smallest(open, diceFor(first + index), kindOf(outcome))}`)
    }
  }
  return { problems, refused, seconds: (performance.now() - begun) / 1_000 }
}

/** The outcomes of a batch, or null where it does not answer in time. */
async function answered(open: OpenTarget, batch: readonly unknown[]): Promise<readonly Outcome[] | null> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), batchDeadlineMs)
  })
  return Promise.race([open.tryAll(batch), late]).finally(() => clearTimeout(timer))
}

/** Two problems are of one kind where they begin alike, but for numbers. */
function kindOf(outcome: Outcome): string {
  return typeof outcome === 'string' ? outcome : outcome.broken.slice(0, 80).replaceAll(/\d+/g, '0')
}

/** The smallest case found that breaks the same promise, as text. */
async function smallest(open: OpenTarget, dice: Dice, kind: string): Promise<string> {
  const writing = writingDice(dice)
  open.make(writing.dice)
  const throws = await shrink(writing.throws, async (fewer) => {
    const outcomes = await answered(open, [open.make(writtenDice(fewer))])
    return outcomes?.[0] !== undefined && kindOf(outcomes[0]) === kind
  })
  const shown = inspect(open.make(writtenDice(throws)), { depth: 6, maxStringLength: 300, breakLength: 160 })
  return `smallest: ${shown}`
}
