import { tables } from '@oncebox/schema'
import { duration } from '../../wording.js'
import { defineCheck, type Found } from '../check.js'
import { type LeafLock, lateLeaves } from '../facts/leafLocks.js'
import { startRelay } from './lanes.js'

export const ring = defineCheck({
  name: 'the outbox ring is reclaimed',
  needs: ['schema', 'limits', 'lanes', 'outboxLeaves', 'leafLocks'],
  why: 'Storage that is not given back grows with every message. Nothing is lost by it.',
  judge({ schema, limits, lanes, outboxLeaves, leafLocks }) {
    const found: Found[] = []
    const idle = lanes.some(({ holder }) => holder === null)
    const late = lateLeaves(outboxLeaves, limits.retentionMs, limits.slotWidthMs)
    if (late.length > 0) {
      const names = late.map((leaf) => tables(schema).of(leaf.name))
      found.push({
        code: 'LEAF_NOT_RECLAIMED',
        what: `The storage of ${names.join(', ')} is past its retention and was not reclaimed.${holders(leafLocks)}`,
        next:
          leafLocks.length === 0
            ? `${idle ? startRelay(schema) : 'Look why its lane is behind.'} A leaf is emptied when everything in it is published.`
            : `End what holds the lock: ${[...new Set(leafLocks.map(remedy))].join('; ')}.`,
      })
    }
    const others = outboxLeaves.filter((leaf) => !leaf.active && leaf.name !== 'outbox_default')
    if (others.length > 0 && others.every((leaf) => leaf.rows > 0)) {
      found.push({
        code: 'RING_FULL',
        what: 'No leaf of the outbox is free: writers stay on the active one, and it cannot be emptied while they do.',
        next: `${idle ? startRelay(schema) : 'Mend what else is named here about lanes and leaves.'} The ring then moves on by itself.`,
      })
    }
    return found
  },
})

function holders(locks: readonly LeafLock[]): string {
  if (locks.length === 0) return ''
  const list = locks.map(({ leaf, pid, gid, application, state, seconds }) => {
    const who = pid === null ? `prepared transaction ${JSON.stringify(gid)}` : `pid ${pid}`
    const what = [application === '' ? null : JSON.stringify(application), state].filter((part) => part !== null)
    const since = seconds === null ? '' : `, for ${duration(seconds)}`
    return `${leaf} by ${who}${what.length === 0 ? '' : ` (${what.join(', ')})`}${since}`
  })
  return ` Locked: ${list.join('; ')}.`
}

function remedy({ pid, gid }: LeafLock): string {
  return pid === null
    ? `ROLLBACK PREPARED '${(gid ?? '').replaceAll("'", "''")}'`
    : `SELECT pg_terminate_backend(${pid})`
}
