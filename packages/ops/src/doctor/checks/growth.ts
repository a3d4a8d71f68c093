import { counted } from '../../wording.js'
import { defineCheck, type Found } from '../check.js'
import { waitingText } from './lanes.js'
import { isLanePaused } from './paused.js'

/** Fewer than so many more are the ups and downs of every moment. */
const fewest = 100

export const growth = defineCheck({
  name: 'lag does not grow',
  needs: ['limits', 'lanes', 'lanesLater', 'pauses'],
  why: 'A relay that publishes less than is written never catches up, and messages come later and later.',
  judge({ limits, lanes, lanesLater, pauses }) {
    return lanes.flatMap((before): Found[] => {
      const after = lanesLater.find(({ lane }) => lane === before.lane)
      if (after === undefined || after.holder === null || isLanePaused(pauses, before.lane)) return []
      const more = after.waiting - before.waiting
      // Estimates of a long backlog are good to a few percent.
      const least = after.waitingExact ? fewest : Math.max(fewest, before.waiting / 20)
      if (more < least || (after.oldestSeconds ?? 0) < (before.oldestSeconds ?? 0)) return []
      return [
        {
          code: 'LAG_GROWING',
          what: `Lane ${after.lane} falls behind: ${counted(Math.round(more), 'message')} more in ${limits.sampleMs} ms; ${waitingText(after)}.`,
          next: 'Read the log of the relay: does every publish take long, or fail? Give it more batchMessages, or a nearer broker.',
        },
      ]
    })
  },
})
