import { isKnown, type MessageEffect, type MessagePublication, type Timeline } from '@oncebox/ops'
import { printable } from '../command/printable.js'

export interface KnownHere extends Timeline {
  readonly database: string
}

/** One line a step, in the order of the way: written, held back, published, consumed. */
export function describeMessage(id: string, databases: readonly KnownHere[]): string {
  const blocks = databases.filter(isKnown).map((known) => {
    return [known.database, ...steps(known).map((step) => `  ${step}`)].map(printable).join('\n')
  })
  return [`Message ${printable(id)}`, ...blocks].join('\n\n')
}

function steps({ scheduledFor, writes, parked, effects }: Timeline): string[] {
  return [
    ...(scheduledFor === null ? [] : [`scheduled for ${scheduledFor}`]),
    ...writes.flatMap(({ publications, ...write }) => [
      `written    ${write.at}  by transaction ${write.transaction}, position ${write.position}: type ${write.type}, topic ${write.topic}, ` +
        `${write.key === null ? 'no key' : `key ${JSON.stringify(write.key)}`}, source ${write.source}`,
      ...publications.map(describePublication),
      ...(publications.length === 0 ? [stateOf(write.state)] : []),
    ]),
    ...(parked === null ? [] : [`held back  ${parked.at}  by the relay: ${parked.reason}`]),
    ...effects.flatMap(describeEffect),
  ]
}

function stateOf(state: 'published' | 'waiting' | 'parked'): string {
  if (state === 'waiting') return 'waiting    for a relay'
  return state === 'parked' ? 'parked     see "oncebox status"' : 'published  when and where is not noted any more'
}

function describePublication({ at, topic, partition, offset, certain }: MessagePublication): string {
  const place = `${topic}/${partition}${offset === null ? '' : `, offset ${offset}`}`
  return `published  ${at}  to ${place}${certain ? '' : ' (or another one told here: it has no key)'}`
}

function describeEffect({ group, state, attempts, at, deadLetter, reason, actions }: MessageEffect): string[] {
  const tried = attempts === 0 ? '' : `, ${attempts} failed attempt${attempts === 1 ? '' : 's'}`
  const since = at === null ? '' : `  ${at}`
  const what: Record<MessageEffect['state'], string> = {
    handled: `handled   ${since}  by group ${group}`,
    failing: `failing   ${since}  in group ${group}${tried}; it is tried again`,
    waiting: `waiting   ${since}  in group ${group}, behind another message of its key`,
    dead: `dead      ${since}  in group ${group}${tried}: ${reason} (oncebox dead show ${deadLetter})`,
    retrying: `retrying  ${since}  in group ${group}${tried}: dead letter ${deadLetter}, a retry was asked for`,
  }
  return [what[state], ...actions.map(({ at, action, by }) => `${action.padEnd(9)}  ${at}  by ${by}, group ${group}`)]
}
