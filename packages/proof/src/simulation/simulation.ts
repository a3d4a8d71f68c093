import type { PartOptions, PartReport } from '../partReport.js'
import { defects } from './defects.js'
import { runSchedule } from './runSchedule.js'
import { scheduleOf } from './schedule.js'
import { storyOf } from './story.js'

/** Seeds of a full run, and of a slice. */
const seedsOf = { full: 200_000, slice: 1_500 }
/** A defect that so many seeds do not find is not found. */
const seedsForDefect = 5_000
/** Violations that are told at length. */
const mostStories = 3

/**
 * The production relay and consumer, in virtual time, between a model of Postgres and one of Kafka: seeds from `seed` on,
 * each a schedule of writers and faults. Every deliberate defect has to be found as well.
 */
export async function simulation({ seed, extent, progress }: PartOptions): Promise<PartReport> {
  const begun = performance.now()
  const seeds = seedsOf[extent]
  const problems: string[] = []
  let violations = 0
  let happenings = 0
  let published = 0
  for (let index = 0; index < seeds; index++) {
    const result = await runSchedule(scheduleOf(seed + index))
    happenings += result.steps
    published += result.published
    if (result.violations.length > 0) {
      violations++
      if (problems.length < mostStories) {
        const story = await storyOf(seed + index)
        problems.push(story)
        progress(`simulation: ${story}`)
      }
    }
    if ((index + 1) % 20_000 === 0) progress(`simulation: ${index + 1} of ${seeds} seeds, ${violations} violations`)
  }
  const found = await defectsFound(seed)
  for (const [name, after] of found)
    if (after === null) problems.push(`the simulation does not find the defect "${name}"`)
  const alive = [...found.values()].filter((after) => after === null).length
  const figures = {
    seeds,
    violations,
    happenings,
    'records at the broker': published,
    'defects found': `${found.size - alive} of ${found.size}`,
    'seeds to find a defect': Math.max(...[...found.values()].map((after) => after ?? seedsForDefect)),
  }
  return { part: 'simulation', figures, problems, seconds: (performance.now() - begun) / 1_000 }
}

/** After how many seeds each defect was found; null for those that were not. */
export async function defectsFound(seed: number): Promise<ReadonlyMap<string, number | null>> {
  const found = new Map<string, number | null>()
  for (const [name, defect] of Object.entries(defects)) {
    found.set(name, null)
    for (let index = 0; index < seedsForDefect && found.get(name) === null; index++) {
      const schedule = scheduleOf(seed + index)
      if (defect.concerns?.(schedule) === false) continue
      const { violations } = await runSchedule(schedule, { defect })
      if (violations.length > 0) found.set(name, index + 1)
    }
  }
  return found
}
