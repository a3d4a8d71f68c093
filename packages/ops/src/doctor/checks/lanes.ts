import type { LaneStatus } from '../../lanes.js'
import { counted, duration, schemaFlag } from '../../wording.js'
import { defineCheck, type Found } from '../check.js'
import { isLanePaused } from './paused.js'

/** A lane, or a scheduled message, is behind when its oldest message waited longer than this. */
export const behindSeconds = 60

/** `about 12000 messages waiting, the oldest since 3 min` */
export function waitingText({ waiting, waitingExact, oldestSeconds }: LaneStatus): string {
  const since = oldestSeconds === null ? '' : `, the oldest since ${duration(oldestSeconds)}`
  return `${waitingExact ? '' : 'about '}${counted(waiting, 'message')} waiting${since}`
}

export const startRelay = (schema: string): string =>
  `Start "oncebox relay${schemaFlag(schema)}", or look why it stopped.`

export const lanes = defineCheck({
  name: 'a relay holds every lane, and keeps up',
  needs: ['schema', 'lanes', 'pauses'],
  why: 'What no relay publishes reaches nobody; the outbox grows until one does.',
  judge({ schema, lanes, pauses }) {
    return lanes.flatMap((lane): Found[] => {
      const { holder, waiting, oldestSeconds } = lane
      if (waiting === 0) return []
      if (holder === null) {
        const what = `No relay publishes lane ${lane.lane}: ${waitingText(lane)}.`
        return [{ code: 'NO_RELAY', what, next: startRelay(schema) }]
      }
      if (oldestSeconds === null || oldestSeconds <= behindSeconds || isLanePaused(pauses, lane.lane)) return []
      const what = `Lane ${lane.lane} is behind: ${waitingText(lane)}.`
      const next = `Read the log of relay ${JSON.stringify(holder)}: is the broker reachable, does every topic exist?`
      return [{ code: 'LANE_BEHIND', what, next }]
    })
  },
})
