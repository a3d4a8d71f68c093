import { inboxRingStatements } from './inboxRingStatements.js'
import { cursorLock, runChangeLanes } from './lanes.js'
import type { CursorRow, ModelDatabase, ParkedRow } from './modelDatabase.js'
import { dataRow } from './outboxRow.js'
import { lockLeaves, ringStatements } from './ringStatements.js'
import { type Answer, type Known, type Run, runKnown, type StatementContext } from './statement.js'
import { runProbe, runWindow } from './windowStatements.js'

const one = (...row: (string | null)[]): Answer => ({ rows: [row] })
const none: Answer = { rows: [] }

/** The row of the lane that a statement names first, locked; undefined where there is no such lane. */
async function lockedCursor({ database, transaction, text, values }: StatementContext): Promise<CursorRow | undefined> {
  // FOR UPDATE lets those go on who have the table for themselves; a change of the row does not.
  if (!text.includes('FOR UPDATE')) await database.locks.take('table relay_cursor', transaction, 'row exclusive')
  await database.locks.take(cursorLock(Number(values[0])), transaction)
  return database.cursors.get(String(values[0]), transaction)
}

/** Fences a write: the row of the lane, locked, if epoch and token are the holder's. */
async function held(context: StatementContext): Promise<CursorRow | null> {
  const cursor = await lockedCursor(context)
  const [, epoch, token] = context.values
  const fenced = context.text.includes('epoch = $2::bigint AND token = $3::uuid')
  const allowed = cursor !== undefined && (!fenced || (cursor.epoch === Number(epoch) && cursor.token === token))
  const current = cursor?.epoch ?? Number(epoch) + 1
  context.database.writes.push({ epoch: Number(epoch), current, changedRows: allowed ? 1 : 0 })
  return allowed ? cursor : null
}

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
      const { values, now } = context
      const cursor = await lockedCursor(context)
      if (cursor === undefined) return none
      const [, token, , leaseMs, ownToken] = values
      const free = cursor.token === null || cursor.expiresAt === null || cursor.expiresAt < now
      if (!free && cursor.token !== ownToken) return none
      const epoch = cursor.epoch + 1
      change(context, { ...cursor, epoch, token: token as string, expiresAt: now + Number(leaseMs) })
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
      change(context, { ...cursor, last, upper, position, expiresAt: context.now + leaseMs })
      const where = `${last}${position === null ? '' : `, position ${position}`}`
      return { rows: [['1']], told: `the cursor${lane === 0 ? '' : ` of lane ${lane}`} stands at ${where}` }
    },
  ],
  [
    'SET expires_at = clock_timestamp()',
    async (context) => {
      const cursor = await held(context)
      if (cursor === null) return none
      change(context, { ...cursor, expiresAt: context.now + Number(context.values[3]) })
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
      return runWindow(context.database, context.text, context.values)
    },
  ],
  ["'snapshot', pg_current_snapshot()", ({ database }) => runProbe(database)],
  ['FROM "oncebox"."pause"', () => none],
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
