import { localIds, type MessageContracts, type WireRecord } from '@oncebox/core'
import { fastSettings, startPostgres } from '../postgresServer.js'
import { sequenceShift, volatileColumns } from './compareRows.js'
import { recordOf } from './delivery.js'
import { type ChaosFinding, distinct, judge } from './findings.js'
import { type Laboratory, type Outcome, openLaboratory } from './laboratory.js'
import type { ChaosHandler, ChaosOptions } from './options.js'
import { type ChaosReport, reportText } from './report.js'
import { atOnce, faultsAt, type NamedSchedule, redelivery, secondMessage } from './schedules.js'
import { advice } from './writes.js'

/**
 * Tries whether a handler does its work exactly once: runs it through the real inbox on a real Postgres, and does to it
 * what production does. The session is killed right before and right after each statement of a delivery, each one fails
 * once as a deadlock's victim does, COMMIT is done and its answer lost, the message comes again, comes twice at once, and,
 * where the options say so, under a second id. After each run the rows of all tables are compared with those after one
 * clean delivery.
 *
 * A run takes some ten milliseconds; a handler of five statements about forty runs.
 *
 * @throws Error when the handler fails without any fault, or the database cannot be prepared.
 */
export async function chaos<const C extends MessageContracts, T extends keyof C & string, Trx>(
  handler: ChaosHandler<C, T, Trx>,
  options: ChaosOptions<C, T, Trx>,
): Promise<ChaosReport> {
  if (options.database !== undefined) return tryAll(options.database, handler, options)
  const server = await startPostgres({ settings: fastSettings })
  try {
    return await tryAll(server.url, handler, options)
  } finally {
    await server.remove()
  }
}

async function tryAll<const C extends MessageContracts, T extends keyof C & string, Trx>(
  url: string,
  handler: ChaosHandler<C, T, Trx>,
  options: ChaosOptions<C, T, Trx>,
): Promise<ChaosReport> {
  const { type } = options.message
  const now = new Date()
  const record = (): WireRecord => recordOf(options.message, localIds.next(now.getTime()), options.messages, now)
  const first = record()
  const second = record()
  const laboratory = await openLaboratory(url, handler, options)
  try {
    const clean = await cleanly(laboratory, first)
    // Sequences are elsewhere, time has passed, and the process has handled the message before.
    const another = await cleanly(laboratory, first, sequenceShift)
    const volatile = volatileColumns(laboratory.tables.all, clean.rows, another.rows)
    const unexplained = volatile.unexplained.filter(
      ({ table, column }) => !options.ignore?.includes(`${table}.${column}`),
    )
    const masked = new Set([...volatile.masked, ...(options.ignore ?? [])])
    const oncePerRequest = options.oncePerRequest ?? []
    const expected = { clean, masked, oncePerRequest, inbox: options.inbox ?? true }

    const repeated: NamedSchedule = {
      ...redelivery(first),
      story: 'the same message was handled in the same process, in a fresh database',
    }
    const findings: (ChaosFinding | null)[] = [
      ...unexplained.map((place) => unexplainedFinding(clean, another, place)),
      judge({ ...repeated, kind: 'kill' }, another, expected),
    ]
    const schedules = [
      ...faultsAt(clean.statements, first),
      redelivery(first),
      atOnce('again', [first, first], laboratory.blocked),
      ...(oncePerRequest.length === 0
        ? []
        : [secondMessage(first, second), atOnce('second', [first, second], laboratory.blocked)]),
    ]
    for (const schedule of schedules) findings.push(judge(schedule, await laboratory.run(schedule), expected))

    const found = distinct(findings.filter((finding) => finding !== null))
    const { from, to } = clean.handler
    const report = {
      idempotent: found.length === 0,
      type,
      runs: schedules.length + 2,
      statements: clean.statements.map(({ index, text }) => ({ text, own: index >= from && index < to })),
      findings: found,
      notCompared: [...masked].sort(),
    }
    return { ...report, text: reportText(report) }
  } finally {
    await laboratory.close()
  }
}

async function cleanly(laboratory: Laboratory, record: WireRecord, ahead = 0): Promise<Outcome> {
  const outcome = await laboratory.run({ deliver: ([receiver]) => receiver.deliver(record), ahead })
  if (outcome.given === null) return outcome
  throw new Error(`chaos: the handler fails without any fault: ${outcome.given}`)
}

/** A value that neither the message nor the database determines. */
function unexplainedFinding(clean: Outcome, another: Outcome, place: { table: string; column: string }): ChaosFinding {
  const { table, column } = place
  const values = [clean, another].map(({ rows }) =>
    rows
      .get(table)
      ?.map((row) => row[column])
      .join(', '),
  )
  return {
    guard: 'message',
    story: 'the same message was handled twice, each time in a fresh database',
    statement: clean.statements.findLast(({ text }) => text.includes(table)) ?? null,
    differences: [`${table}.${column}: ${values.join(' and then ')}`],
    swallowed: false,
    advice: advice.message,
  }
}
