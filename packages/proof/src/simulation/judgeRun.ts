import { type History, judgeHistory } from '@oncebox/testkit'
import type { Broken } from './broken.js'
import { judgeDue } from './judgeDue.js'
import type { ModelBroker } from './modelBroker.js'
import type { ModelDatabase } from './modelDatabase.js'
import type { ModelGroup } from './modelGroup.js'
import type { Schedule } from './schedule.js'
import { asideAtTheRelay, refusedByTheGroup } from './standing.js'
import type { Writers } from './writers.js'

export interface JudgedRun {
  readonly schedule: Schedule
  readonly database: ModelDatabase
  readonly broker: ModelBroker
  readonly writers: Writers
  readonly group: ModelGroup
  /** When nobody waits any longer, in virtual milliseconds. */
  readonly ends: number
}

/** What a run that has come to its end has broken. */
export function judgeRun(run: JudgedRun): readonly Broken[] {
  const { schedule, database, broker, writers, group, ends } = run
  const aside = asideAtTheRelay(database, schedule, broker.records, ends)
  const { deliveries } = group
  const { effects } = database.inbox
  const refused = refusedByTheGroup(database, schedule)
  const history: History = {
    // What is written down as parked is not lost, as long as it is there and nowhere else.
    emits: writers.committed.filter(({ id }) => !aside.has(id)),
    rolledBack: writers.rolledBack,
    records: broker.records,
    writes: database.writes,
    ...(schedule.consumers > 0 ? { groups: [{ name: 'group', deliveries, effects, refused }] } : {}),
    settled: true,
    faults: true,
  }
  return database.schedules ? judgedWithDue(history, run) : judgeHistory(history)
}

/** Turns at the business row say nothing of when a scheduled message comes: among others, the order of turns holds. */
function judgedWithDue(history: History, { database, broker, writers }: JudgedRun): readonly Broken[] {
  const { committed } = writers
  const atOnce = new Set(committed.filter(({ dueAt }) => dueAt === null).map(({ id }) => id))
  const turns = judgeHistory({ ...history, emits: history.emits.filter(({ id }) => atOnce.has(id)) })
  const orders = new Map<string, readonly string[]>([['published', broker.records.map(({ id }) => id)]])
  for (const { deliveries = [], effects = [] } of history.groups ?? []) {
    orders.set('delivered', deliveries)
    const applied = effects.map(({ id }) => id)
    orders.set('applied', applied)
  }
  return [
    ...judgeHistory(history).filter(({ rule }) => rule !== 'outOfOrder'),
    ...turns.filter(({ rule }) => rule === 'outOfOrder'),
    ...judgeDue({ written: committed, arrived: broker.arrived, moved: database.moved, orders }),
  ]
}
