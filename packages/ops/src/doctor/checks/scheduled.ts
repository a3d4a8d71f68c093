import { duration } from '../../wording.js'
import { defineCheck } from '../check.js'
import { behindSeconds, startRelay } from './lanes.js'

export const scheduled = defineCheck({
  name: 'scheduled messages come due',
  needs: ['schema', 'overdueSeconds'],
  why: 'They are delivered late, and those behind them later.',
  judge({ schema, overdueSeconds }) {
    if (overdueSeconds === null || overdueSeconds <= behindSeconds) return []
    const what = `Scheduled messages are overdue, the first since ${duration(overdueSeconds)}.`
    return [{ code: 'SCHEDULED_OVERDUE', what, next: startRelay(schema) }]
  },
})
