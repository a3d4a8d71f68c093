import type { ConsumerStatus, LaneStatus, LeafStatus, Problem, Status } from '@oncebox/ops'
import { printable } from '../command/printable.js'
import { textTable } from '../command/textTable.js'
import { describePause } from './pause.js'

/** The account of a database for a person: tables, then what is wrong and what to type next. */
export function describeStatus({ schemaVersion, lanes, consumers, leaves, paused, problems }: Status): string {
  return [
    `Schema version ${schemaVersion ?? 'none'}`,
    lanes.length === 0 ? null : laneTable(lanes),
    consumers.length === 0 ? null : consumerTable(consumers),
    leaves.length === 0 ? null : storageTable(leaves),
    paused.length === 0 ? null : paused.map(describePause).join('\n'),
    problems.length === 0 ? 'No problems.' : problems.map(describeProblem).join('\n\n'),
  ]
    .filter((part) => part !== null)
    .join('\n\n')
}

function laneTable(lanes: readonly LaneStatus[]): string {
  const rows = lanes.map(({ lane, holder, epoch, waiting, waitingExact, oldestSeconds, parked }) => [
    String(lane),
    holder ?? '(none)',
    String(epoch),
    `${waitingExact ? '' : '~'}${waiting}`,
    oldestSeconds === null ? '' : `${oldestSeconds.toFixed(1)} s`,
    String(parked),
  ])
  return textTable(['lane', 'relay', 'epoch', 'waiting', 'oldest', 'parked'], rows, ['waiting', 'oldest', 'parked'])
}

function consumerTable(consumers: readonly ConsumerStatus[]): string {
  const rows = consumers.flatMap(({ group, failing, deadLetters, partitions }) => [
    [
      group,
      partitions.length === 0 ? 'no offsets' : `${partitions.length} partitions`,
      '',
      String(failing),
      String(deadLetters),
    ],
    ...partitions.map((one) => [
      '',
      `${one.topic}/${one.partition}`,
      one.nextOffset ?? '',
      '',
      String(one.deadLetters),
    ]),
  ])
  const headings = ['group', 'partition', 'next offset', 'failing', 'dead letters']
  return textTable(headings, rows, ['next offset', 'failing', 'dead letters'])
}

function storageTable(leaves: readonly LeafStatus[]): string {
  const rows = (['outbox', 'inbox'] as const).map((ring) => {
    const own = leaves.filter((leaf) => leaf.ring === ring)
    const used = own.filter((leaf) => leaf.rows > 0).length
    const rows = own.reduce((sum, leaf) => sum + leaf.rows, 0)
    const bytes = own.reduce((sum, leaf) => sum + leaf.bytes, 0)
    const active = own.find((leaf) => leaf.active)?.name ?? ''
    return [ring, `${used} of ${own.length}`, active, `~${rows}`, `${(bytes / 1_000_000).toFixed(1)} MB`]
  })
  return textTable(['ring', 'leaves in use', 'active', 'rows', 'size'], rows, ['rows', 'size'])
}

function describeProblem({ code, what, next }: Problem): string {
  return `${code}: ${printable(what)}\n  ${printable(next)}`
}
