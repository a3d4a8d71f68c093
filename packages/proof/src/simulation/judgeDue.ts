import type { Broken } from './broken.js'
import { numberOf } from './outboxRow.js'
import type { WrittenMessage } from './writers.js'

export interface DueHistory {
  readonly written: readonly WrittenMessage[]
  /** When a message first reached the broker, by id. */
  readonly arrived: ReadonlyMap<string, number>
  /** When a scheduled message had come to the outbox, by its number. */
  readonly moved: ReadonlyMap<number, number>
  /** Ids in the order in which they appeared somewhere, copies included, by what happened to them there. */
  readonly orders: ReadonlyMap<string, readonly string[]>
}

/**
 * What is promised of messages with a time to be delivered at: none arrives before its time, and then each takes its place in
 * the order of its key. It comes behind what was committed before it was due, among scheduled ones behind those that were due
 * before, and before what is written once it has come due. Pure.
 */
export function judgeDue({ written, arrived, moved, orders }: DueHistory): Broken[] {
  const early = written.filter(({ id, dueAt }) => dueAt !== null && (arrived.get(id) ?? dueAt) < dueAt)
  return [
    ...early.map(({ id, dueAt }) => ({
      rule: 'early',
      message: `${id}, due at ${dueAt} ms, was published at ${arrived.get(id)} ms`,
    })),
    ...[...orders].flatMap(([verb, ids]) => {
      const first = new Map<string, number>()
      for (const [at, id] of ids.entries()) if (!first.has(id)) first.set(id, at)
      return swapped(written, moved, first).map(([earlier, later]) => ({
        rule: 'outOfOrder',
        message: `key ${earlier.key} of ${earlier.topic}: ${told(earlier)} was first ${verb} after ${told(later)}`,
      }))
    }),
  ]
}

function swapped(
  written: readonly WrittenMessage[],
  moved: ReadonlyMap<number, number>,
  first: ReadonlyMap<string, number>,
): [earlier: WrittenMessage, later: WrittenMessage][] {
  return written.flatMap((earlier) =>
    written
      .filter(({ topic, key }) => key !== null && key === earlier.key && topic === earlier.topic)
      .filter((later) => (first.get(later.id) ?? Infinity) < (first.get(earlier.id) ?? -1))
      .filter((later) => goesBefore(earlier, later, moved))
      .map((later): [WrittenMessage, WrittenMessage] => [earlier, later]),
  )
}

/** Of two messages without a due time, the judge of all histories decides. */
function goesBefore(earlier: WrittenMessage, later: WrittenMessage, moved: ReadonlyMap<number, number>): boolean {
  if (later.dueAt === null) {
    return earlier.dueAt !== null && (moved.get(numberOf(earlier.id)) ?? Infinity) < later.writtenAt
  }
  if (earlier.committedAt >= later.dueAt) return false
  if (earlier.dueAt === null || earlier.dueAt < later.dueAt) return true
  return earlier.dueAt === later.dueAt && earlier.place < later.place
}

function told({ id, dueAt }: WrittenMessage): string {
  return dueAt === null ? id : `${id}, due at ${dueAt} ms,`
}
