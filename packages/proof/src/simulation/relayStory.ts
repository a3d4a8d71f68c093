import type { RelayEvent } from '@oncebox/relay'

interface ToldEvent {
  readonly event: string
  readonly lane?: number
  readonly count?: number
  readonly epoch?: number
  readonly code?: string
  readonly topic?: string | null
}

/** An event of a relay as a line of the story. */
export function toldEvent(event: RelayEvent): string {
  const { event: what, lane, count, epoch, code, topic } = event as ToldEvent
  const isPause = what === 'paused' || what === 'resumed'
  return [
    what,
    ...(lane === undefined || lane === 0 ? [] : [`lane ${lane}`]),
    ...(isPause && topic !== null ? [`topic ${topic}`] : []),
    ...(code === undefined ? [] : [code]),
    ...(count === undefined ? [] : [`${count}`]),
    ...(epoch === undefined ? [] : [`epoch ${epoch}`]),
  ].join(' ')
}
