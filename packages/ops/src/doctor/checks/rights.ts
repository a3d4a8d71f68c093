import { schemaFlag } from '../../wording.js'
import { defineCheck, type Found } from '../check.js'

const namedAtMost = 5

export const rights = defineCheck({
  name: 'rights of this user',
  needs: ['schema', 'rights'],
  why: 'What this user may not read, nobody can be told of: checks are skipped, and status and show fail.',
  judge({ schema, rights: { user, unreadable, seesSessions } }) {
    const found: Found[] = []
    if (unreadable.length > 0) {
      const more = unreadable.length > namedAtMost ? ` and ${unreadable.length - namedAtMost} more` : ''
      found.push({
        code: 'RIGHTS_MISSING',
        what: `User "${user}" may not read ${unreadable.slice(0, namedAtMost).join(', ')}${more}.`,
        next: `As the owner, run "oncebox roles${schemaFlag(schema)} --operator ${user}" and apply what it prints.`,
      })
    }
    if (!seesSessions) {
      found.push({
        code: 'RIGHTS_MISSING',
        severity: 'advice',
        what: `User "${user}" does not see the sessions of others: who holds a lock or a snapshot stays unknown.`,
        next: `As a superuser: GRANT pg_read_all_stats TO "${user}".`,
      })
    }
    return found
  },
})
