import { defineCheck } from '../check.js'

export const identity = defineCheck({
  name: 'the database is the one it was',
  needs: ['databaseChanged'],
  why: 'Transaction numbers of another cluster say nothing here: until a relay has started over, what waits is unknown.',
  judge({ databaseChanged }) {
    if (!databaseChanged) return []
    return [
      {
        code: 'DATABASE_CHANGED',
        what: 'The schema was restored or copied from another database: what is waiting cannot be told from here.',
        next: 'Start the relay: it publishes everything retained again, and inbox consumers skip what they know.',
      },
    ]
  },
})
