import { duration } from '../../wording.js'
import { defineCheck } from '../check.js'
import { behindSeconds, startRelay } from './lanes.js'

export const scheduled = defineCheck({
  name: 'scheduled messages come due',
  needs: ['schema', 'lanes', 'overdueSeconds'],
  why: 'They are delivered late, and those behind them later.',
  judge({ schema, lanes, overdueSeconds }) {
    if (overdueSeconds === null || overdueSeconds <= behindSeconds) return []
    const what = `Scheduled messages are overdue, the first since ${duration(overdueSeconds)}.`
    const idle = lanes.some(({ holder }) => holder === null)
    const next = idle
      ? startRelay(schema)
      : 'A relay runs: read in its log what it waits for; "oncebox doctor" names sessions that hold it up.'
    return [{ code: 'SCHEDULED_OVERDUE', what, next }]
  },
})
