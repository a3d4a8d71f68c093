import { inboxRingStatements } from './inboxRingStatements.js'
import { held, lockedCursor } from './laneFence.js'
import { runChangeLanes } from './lanes.js'
import type { CursorRow, ModelDatabase, ParkedRow } from './modelDatabase.js'
import { dataRow } from './outboxRow.js'
import { pauseStatements } from './pauseStatements.js'
import { lockLeaves, ringStatements } from './ringStatements.js'
import { scheduledStatements } from './scheduledStatements.js'
import { type Answer, clockTimestamp, type Known, type Run, runKnown, type StatementContext } from './statement.js'
import { runProbe, runWindow } from './windowStatements.js'

const one = (...row: (string | null)[]): Answer => ({ rows: [row] })
const none: Answer = { rows: [] }

function change({ database, transaction, values }: StatementContext, to: CursorRow): void {
  database.write(transaction, database.cursors.put(String(values[0]), to, transaction))
}

/** What waits on a lane's side track, by number. */
function parkedIn({ database, transaction, values }: StatementContext): [number: number, parked: ParkedRow][] {
  return database.parked
    .entries(transaction)
    .filter(([, { lane }]) => lane === Number(values[0]))
    .map(([number, parked]): [number, ParkedRow] => [Number(number), parked])
    .sort(([a], [b]) => a - b)
}

/** The statements of the relay, known by a part of their text. */
const statements: Known = [
  ["set_config('application_name'", () => one('')],
  ['pg_is_in_recovery(), EXISTS', () => one('f', 't')],
  ['pg_catalog.pg_class', () => one('1')],
  ['max(version) AS version', () => one('1000')],
  [
    'SET epoch = epoch + 1',
    async (context) => {
      const { values } = context
      const [, token, , leaseMs, ownToken] = values
      const cursor = await lockedCursor(
        context,
        (row) =>
          row.token === null ||
          row.expiresAt === null ||
          row.expiresAt < clockTimestamp(context) ||
          row.token === ownToken,
      )
      if (cursor === undefined) return none
      const epoch = cursor.epoch + 1
      change(context, {
        ...cursor,
        epoch,
        token: token as string,
        expiresAt: clockTimestamp(context) + Number(leaseMs),
      })
      return one(String(epoch), cursor.last, cursor.upper, cursor.position)
    },
  ],
  [
    'SELECT count(*) FROM "oncebox"."relay_cursor"',
    ({ database, transaction }) => one(String(database.cursors.entries(transaction).length)),
  ],
  [
    'SELECT FROM "oncebox"."relay_cursor" WHERE lane',
    ({ database, transaction, values }) =>
      database.cursors.get(String(values[0]), transaction) === undefined ? none : one(),
  ],
  [
    'SELECT 1 FROM "oncebox"."relay_cursor"',
    ({ database, transaction, values }) => {
      const [lane, epoch, token] = values
      const cursor = database.cursors.get(String(lane), transaction)
      return cursor?.epoch === Number(epoch) && cursor.token === token ? one('1') : none
    },
  ],
  [
    'change_lanes',
    async ({ database, transaction, values }) => {
      const { lanesBefore, exact } = await runChangeLanes(database, transaction, Number(values[0]))
      return { rows: [{ before: lanesBefore, exact }] }
    },
  ],
  [
    'SET last_snapshot = $4',
    async (context) => {
      const cursor = await held(context)
      if (cursor === null) return none
      const [lane, , , last, upper, position, leaseMs] = context.values as [
        number,
        0,
        0,
        string,
        string | null,
        string | null,
        number,
      ]
      change(context, { ...cursor, last, upper, position, expiresAt: clockTimestamp(context) + leaseMs })
      const where = `${last}${position === null ? '' : `, position ${position}`}`
      return { rows: [['1']], told: `the cursor${lane === 0 ? '' : ` of lane ${lane}`} stands at ${where}` }
    },
  ],
  [
    'SET expires_at = clock_timestamp()',
    async (context) => {
      const cursor = await held(context)
      if (cursor === null) return none
      change(context, { ...cursor, expiresAt: clockTimestamp(context) + Number(context.values[3]) })
      return one('1')
    },
  ],
  [
    'SET token = NULL, holder = NULL',
    async (context) => {
      const cursor = await held(context)
      if (cursor !== null) change(context, { ...cursor, token: null, expiresAt: null })
      return none
    },
  ],
  [
    'INSERT INTO "oncebox"."pinned_topic"',
    ({ database, transaction, values }) => {
      const [topic, partitions] = values as [string, number]
      if (database.pinned.has(topic)) return none
      database.pinned.set(topic, partitions)
      database.write(transaction, () => database.pinned.delete(topic))
      return none
    },
  ],
  [
    'SELECT partitions FROM "oncebox"."pinned_topic"',
    ({ database, values }) => one(pinnedText(database, values[0] as string)),
  ],
  [
    'INSERT INTO "oncebox"."publication"',
    ({ database, transaction }) => {
      database.write(transaction, () => undefined)
      return none
    },
  ],
  [
    'SELECT DISTINCT ON (topic, key)',
    (context) => {
      const { database } = context
      const seen = new Set<string>()
      const rows = parkedIn(context).flatMap(([, { row, reason }]) => {
        const place = `${row.topic} ${row.key}`
        if (seen.has(place)) return []
        seen.add(place)
        return [[row.topic, row.key, reason, pinnedText(database, row.topic)]]
      })
      return { rows }
    },
  ],
  [
    'INSERT INTO "oncebox"."parked"',
    async (context) => {
      await lockLeaves(context)
      if ((await held(context)) === null) return one('0', '0')
      const { database, transaction, values } = context
      const wanted = JSON.parse(values[3] as string) as [position: string, reason: string][]
      const copied = wanted.filter(([position, reason]) => {
        const row = database.visible().find((each) => each.position === Number(position))
        return row !== undefined && database.park(transaction, Number(values[0]), row, reason)
      })
      return one('1', String(copied.length))
    },
  ],
  [
    'FROM "oncebox"."parked"\n      WHERE lane',
    (context) => {
      const [, topic, after, limit, key] = context.values as [number, string, string, number, string?]
      const keyless = context.text.includes('AND key IS NULL')
      const rows = parkedIn(context)
        .filter(([number, { row }]) => row.topic === topic && number > Number(after))
        .filter(([, { row }]) => (keyless ? row.key === null : key === undefined || row.key === key))
        .slice(0, limit)
      return { rows: [], wire: rows.map(([number, { row }]) => dataRow(row, number)) }
    },
  ],
  [
    'DELETE FROM "oncebox"."parked"',
    async (context) => {
      if ((await held(context)) === null) return one('0', null)
      const { database, transaction, values } = context
      const positions: number[] = []
      for (const number of JSON.parse(values[3] as string) as string[]) {
        await database.locks.take(`parked ${number}`, transaction)
        const parked = database.parked.get(number, transaction)
        if (parked === undefined) continue
        database.write(transaction, database.parked.put(number, undefined, transaction))
        positions.push(parked.row.position)
      }
      return one('1', JSON.stringify(positions))
    },
  ],
  [
    'NULL::bigint, NULL::uuid',
    async (context) => {
      await lockLeaves(context, true)
      return runWindow(context.database, context.text, context.values, context.now)
    },
  ],
  ["'snapshot', pg_current_snapshot()", ({ database, text, now }) => runProbe(database, text, now)],
  ...pauseStatements,
  ...scheduledStatements,
  ...ringStatements,
  ...inboxRingStatements,
  ['reclaim_publications', () => one('')],
  // What settings one sets oneself, and looks at the ring, have nothing to do with the order of messages.
  ['SELECT set_config($1', () => one('')],
]

function pinnedText(database: ModelDatabase, topic: string): string | null {
  return database.pinned.get(topic)?.toString() ?? null
}

/** Runs one statement of the relay. */
export const runRelayStatement: Run = (context) => runKnown(statements, context)
