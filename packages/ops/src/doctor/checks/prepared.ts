import { duration } from '../../wording.js'
import { defineCheck } from '../check.js'

export const prepared = defineCheck({
  name: 'no prepared transaction is left behind',
  needs: ['preparedTransactions'],
  why: 'It outlives its session and every restart: its messages wait, its locks stay, and vacuum stands still.',
  judge({ preparedTransactions }) {
    return preparedTransactions.map(({ gid, owner, database, seconds }) => {
      const name = `'${gid.replaceAll("'", "''")}'`
      return {
        code: 'PREPARED_TRANSACTION',
        what: `Transaction ${JSON.stringify(gid)} of ${owner} in ${database} has been prepared for ${duration(seconds)}.`,
        next: `Ask its coordinator; then, in that database, COMMIT PREPARED ${name} or ROLLBACK PREPARED ${name}.`,
      }
    })
  },
})
