import type { Schedule } from './schedule.js'

/**
 * A shorter schedule that fails too: parts are left out one after the other, again and again, for as long as what is left
 * still fails. What the other parts do by chance does not change by that.
 */
export async function shorten(schedule: Schedule, fails: (schedule: Schedule) => Promise<boolean>): Promise<Schedule> {
  let shortest = schedule
  for (;;) {
    const before = shortest
    for (const candidate of candidates(shortest)) {
      if (await fails(candidate)) {
        shortest = candidate
        break
      }
    }
    if (shortest === before) return shortest
  }
}

/** How much a schedule asks a reader to follow. */
export function sizeOf({
  writers,
  faults,
  statementFaults,
  laneChanges,
  pauses,
  refused,
  missing,
  poison,
  lanes,
  relays,
  consumers,
  partitions,
  brokerFaults,
}: Schedule): number {
  const steps = writers.reduce((sum, { steps: each }) => sum + each.length + 1, 0)
  const broker = Object.values(brokerFaults).filter((probability) => probability > 0).length
  const troubles = [faults, statementFaults, laneChanges, pauses, refused, missing, poison.messages].reduce(
    (sum, { length }) => sum + length,
    0,
  )
  return 10 * (steps + troubles + broker) + lanes + relays + consumers + partitions
}

function* candidates(schedule: Schedule): Generator<Schedule> {
  const { writers, faults, statementFaults, laneChanges, pauses, poison, refused, missing, brokerFaults } = schedule
  for (const [index] of writers.entries()) yield { ...schedule, writers: writers.toSpliced(index, 1) }
  for (const [index] of faults.entries()) yield { ...schedule, faults: faults.toSpliced(index, 1) }
  for (const [index] of statementFaults.entries()) {
    yield { ...schedule, statementFaults: statementFaults.toSpliced(index, 1) }
  }
  for (const [index] of laneChanges.entries()) yield { ...schedule, laneChanges: laneChanges.toSpliced(index, 1) }
  for (const [index] of pauses.entries()) yield { ...schedule, pauses: pauses.toSpliced(index, 1) }
  if (schedule.lanes > 1) yield { ...schedule, lanes: schedule.lanes - 1 }
  for (const [index] of poison.messages.entries()) {
    yield { ...schedule, poison: { ...poison, messages: poison.messages.toSpliced(index, 1) } }
  }
  if (schedule.ring !== null) yield { ...schedule, ring: null }
  if (schedule.days !== null) {
    yield { ...schedule, days: null }
    for (const part of ['jumps', 'prunes', 'replays'] as const) {
      for (const [index] of schedule.days[part].entries()) {
        yield { ...schedule, days: { ...schedule.days, [part]: schedule.days[part].toSpliced(index, 1) } }
      }
    }
  }
  if (schedule.swallows) yield { ...schedule, swallows: false }
  if (refused.length > 0) yield { ...schedule, refused: [] }
  if (missing.length > 0) yield { ...schedule, missing: [] }
  for (const kind of ['ackLost', 'lost', 'late'] as const) {
    if (brokerFaults[kind] > 0) yield { ...schedule, brokerFaults: { ...brokerFaults, [kind]: 0 } }
  }
  for (const [index, writer] of writers.entries()) {
    for (const [at] of writer.steps.entries()) {
      const shorter = { ...writer, steps: writer.steps.toSpliced(at, 1) }
      yield { ...schedule, writers: writers.toSpliced(index, 1, shorter) }
    }
  }
  for (const [index, writer] of writers.entries()) {
    for (const [at, step] of writer.steps.entries()) {
      if (step.dueAt === null) continue
      const steps = writer.steps.with(at, { ...step, dueAt: null })
      yield { ...schedule, writers: writers.with(index, { ...writer, steps }) }
    }
  }
  if (schedule.relays > 1) yield { ...schedule, relays: 1 }
  if (schedule.consumers > 0) yield { ...schedule, consumers: schedule.consumers - 1 }
  if (schedule.partitions > 1) yield { ...schedule, partitions: 1 }
}
