import { schemaFlag } from '../../wording.js'
import { defineCheck } from '../check.js'

export const identity = defineCheck({
  name: 'the database is the one it was',
  needs: ['schema', 'databaseChanged'],
  why: 'Transaction numbers of another cluster say nothing here: until a relay has started over, what waits is unknown.',
  judge({ schema, databaseChanged }) {
    if (!databaseChanged) return []
    return [
      {
        code: 'DATABASE_CHANGED',
        what: 'The schema was restored or copied from another database: what is waiting cannot be told from here.',
        next: `Start "oncebox relay${schemaFlag(schema)}": it publishes everything retained again, and inbox consumers skip what they know.`,
      },
    ]
  },
})
