import type { Pause } from '../../pauses.js'
import { counted, duration, schemaFlag } from '../../wording.js'
import { defineCheck } from '../check.js'

/** Whether the messages of a lane wait because somebody wants them to. */
export function isLanePaused(pauses: readonly Pause[], lane: number): boolean {
  return pauses.some((pause) => pause.lane === lane)
}

export const paused = defineCheck({
  name: 'nothing is paused',
  needs: ['schema', 'pauses', 'parked', 'lanes'],
  why: 'What is paused reaches nobody until it is resumed. A paused topic waits aside; behind a paused lane the outbox grows.',
  judge({ schema, pauses, parked, lanes }) {
    return pauses.map(({ lane, topic, seconds, by, why }) => {
      const waiting =
        lane === null
          ? parked.filter((group) => group.topic === topic).reduce((sum, group) => sum + group.messages, 0)
          : (lanes.find((one) => one.lane === lane)?.waiting ?? 0)
      const what = lane === null ? `Topic ${JSON.stringify(topic)}` : `Lane ${lane}`
      const reason = why === null ? '' : `: ${JSON.stringify(why)}`
      const target = lane === null ? `--topic ${topic}` : `--lane ${lane}`
      return {
        code: 'PAUSED',
        what: `${what} was paused ${duration(seconds)} ago by ${by}${reason}; ${counted(waiting, 'message')} waiting.`,
        next: `When it shall go on: "oncebox resume ${target}${schemaFlag(schema)}".`,
      }
    })
  },
})
