import { duration } from '../../wording.js'
import { defineCheck } from '../check.js'

export const tableLocks = defineCheck({
  name: 'nobody locks the tables',
  needs: ['schema', 'tableLocks'],
  why: 'Whoever emits, publishes or handles waits for it, with the transaction of the business change; so do status and lag.',
  judge({ schema, tableLocks }) {
    return tableLocks.map(({ pid, user, application, state, tables, seconds }) => {
      const who = [user, application === '' ? null : JSON.stringify(application), state].filter((part) => part !== null)
      const since = seconds === null ? '' : ` for ${duration(seconds)}`
      return {
        code: 'TABLES_LOCKED',
        what: `Pid ${pid}${who.length === 0 ? '' : ` (${who.join(', ')})`} holds a lock${since} that stops writers of ${JSON.stringify(schema)}: ${tables.join(', ')}.`,
        next: `Let it end, or end it: SELECT pg_terminate_backend(${pid}).`,
      }
    })
  },
})
