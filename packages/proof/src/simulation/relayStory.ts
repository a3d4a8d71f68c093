import type { RelayEvent } from '@oncebox/relay'

interface ToldEvent {
  readonly event: string
  readonly lane?: number
  readonly count?: number
  readonly epoch?: number
  readonly code?: string
}

/** An event of a relay as a line of the story. */
export function toldEvent(event: RelayEvent): string {
  const { event: what, lane, count, epoch, code } = event as ToldEvent
  return [
    what,
    ...(lane === undefined || lane === 0 ? [] : [`lane ${lane}`]),
    ...(code === undefined ? [] : [code]),
    ...(count === undefined ? [] : [`${count}`]),
    ...(epoch === undefined ? [] : [`epoch ${epoch}`]),
  ].join(' ')
}
