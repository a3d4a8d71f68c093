import type { Defect } from './defect.js'
import type { SessionChange } from './modelPool.js'
import type { Schedule } from './schedule.js'

/** Nothing is aside for a reason of its own. */
function onlyPauses({ pauses, refused, missing }: Schedule): boolean {
  return pauses.some(({ target }) => 'topic' in target) && refused.length + missing.length === 0
}

/** The first look of a term finds nothing; later ones do. */
function firstLookIsBlind(): SessionChange {
  let first = false
  return {
    answer(text, answer) {
      if (text.includes('SET epoch = epoch + 1') && answer.rows.length > 0) first = true
      if (!first || !text.includes('FROM "oncebox"."pause" WHERE')) return answer
      first = false
      return { rows: [] }
    },
  }
}

/** Deliberate defects of pauses. */
export const pauseDefects: Readonly<Record<string, Defect>> = {
  'a relay does not ask at first what is paused': {
    pool: firstLookIsBlind,
    concerns: ({ pauses }) => pauses.length > 0,
  },
  'what waited of a paused topic is dropped when it goes on': {
    pool: () => ({
      answer: (text, answer) =>
        text.includes('FROM "oncebox"."parked"\n      WHERE lane') ? { rows: [], wire: [] } : answer,
    }),
    concerns: onlyPauses,
  },
}
