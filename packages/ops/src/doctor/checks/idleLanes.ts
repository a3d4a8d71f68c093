import { defineCheck } from '../check.js'
import { startRelay } from './lanes.js'

/** Of doctor alone: a database where nothing waits is no problem for `status`. */
export const idleLanes = defineCheck({
  name: 'a relay stands ready',
  needs: ['schema', 'lanes'],
  why: 'The next message will wait until somebody starts one; scheduled messages do not come due, and no leaf is emptied.',
  judge({ schema, lanes }) {
    return lanes
      .filter(({ holder, waiting }) => holder === null && waiting === 0)
      .map(({ lane }) => ({
        code: 'NO_RELAY',
        severity: 'advice',
        what: `No relay holds lane ${lane}; nothing waits.`,
        next: startRelay(schema),
      }))
  },
})
