import type { Broken } from './broken.js'
import type { Defect } from './defect.js'
import { numberOf } from './outboxRow.js'
import { runSchedule } from './runSchedule.js'
import { type Schedule, scheduleOf } from './schedule.js'
import { shorten } from './shorten.js'

/** A failing seed as a text for people: what is wrong, and the shortest way there that was found. */
export async function storyOf(seed: number, defect: Defect = {}): Promise<string> {
  const first = await runSchedule(scheduleOf(seed), { defect })
  const rule = first.violations[0]?.rule
  const fails = async (schedule: Schedule): Promise<boolean> =>
    (await runSchedule(schedule, { defect })).violations.some((violation) => violation.rule === rule)
  const shortest = await shorten(scheduleOf(seed), fails)
  const { violations, story } = await runSchedule(shortest, { defect, story: true })
  return [`seed ${seed}: ${violations.map(named).join('; ')}`, ...told(story)].join('\n')
}

const mostLines = 60

/** The end of a story is that nothing more comes; its beginning is what matters. */
function told(story: readonly string[]): readonly string[] {
  return story.length <= mostLines ? story : [...story.slice(0, mostLines), `… and ${story.length - mostLines} more`]
}

/** Messages by their short names, as in stories. */
function named({ message }: Broken): string {
  return message.replaceAll(/\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, (id) => `m${numberOf(id)}`)
}
