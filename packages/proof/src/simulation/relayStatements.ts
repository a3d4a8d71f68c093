import type { ModelDatabase, ModelTransaction } from './modelDatabase.js'
import { dataRow } from './outboxRow.js'
import { type Answer, type Known, type Run, runKnown } from './statement.js'
import { runProbe, runWindow } from './windowStatements.js'

const one = (...row: (string | null)[]): Answer => ({ rows: [row] })
const none: Answer = { rows: [] }
const cursorRow = 'relay cursor'

/** Fences a write: the row of the lane, locked, if epoch and token are the holder's. */
const held: (...parameters: Parameters<Run>) => Promise<boolean> = async ({ database, transaction, text, values }) => {
  await database.locks.take(cursorRow, transaction)
  const [, epoch, token] = values
  const fenced = text.includes('epoch = $2::bigint AND token = $3::uuid')
  const allowed = !fenced || (database.cursor.epoch === Number(epoch) && database.cursor.token === token)
  database.writes.push({ epoch: Number(epoch), current: database.cursor.epoch, changedRows: allowed ? 1 : 0 })
  return allowed
}

function change(database: ModelDatabase, transaction: ModelTransaction, to: Partial<ModelDatabase['cursor']>): void {
  const before = { ...database.cursor }
  database.write(transaction, () => Object.assign(database.cursor, before))
  Object.assign(database.cursor, to)
}

/** The statements of the relay, known by a part of their text. */
const statements: Known = [
  ["set_config('application_name'", () => one('')],
  ['pg_is_in_recovery(), EXISTS', () => one('f', 't')],
  ['pg_catalog.pg_class', () => one('1')],
  ['max(version) AS version', () => one('1000')],
  [
    'SET epoch = epoch + 1',
    async ({ database, transaction, values, now }) => {
      await database.locks.take(cursorRow, transaction)
      const [, token, , leaseMs, ownToken] = values
      const { cursor } = database
      const free = cursor.token === null || cursor.expiresAt === null || cursor.expiresAt < now
      if (!free && cursor.token !== ownToken) return none
      change(database, transaction, {
        epoch: cursor.epoch + 1,
        token: token as string,
        expiresAt: now + Number(leaseMs),
      })
      return one(String(cursor.epoch), cursor.last, cursor.upper, cursor.position)
    },
  ],
  ['SELECT count(*) FROM "oncebox"."relay_cursor"', () => one('1')],
  ['SELECT FROM "oncebox"."relay_cursor" WHERE lane', () => one()],
  [
    'SET last_snapshot = $4',
    async (context) => {
      if (!(await held(context))) return none
      const [, , , last, upper, position, leaseMs] = context.values as [
        0,
        0,
        0,
        string,
        string | null,
        string | null,
        number,
      ]
      change(context.database, context.transaction, { last, upper, position, expiresAt: context.now + leaseMs })
      return { rows: [['1']], told: `the cursor stands at ${last}${position === null ? '' : `, position ${position}`}` }
    },
  ],
  [
    'SET expires_at = clock_timestamp()',
    async (context) => {
      if (!(await held(context))) return none
      change(context.database, context.transaction, { expiresAt: context.now + Number(context.values[3]) })
      return one('1')
    },
  ],
  [
    'SET token = NULL, holder = NULL',
    async (context) => {
      if (await held(context)) change(context.database, context.transaction, { token: null, expiresAt: null })
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
    ({ database }) => {
      const seen = new Set<string>()
      const rows = database.parked.flatMap(({ row, reason }) => {
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
      if (!(await held(context))) return one('0', '0')
      const { database, transaction, values } = context
      const wanted = JSON.parse(values[3] as string) as [position: string, reason: string][]
      const copied = wanted.filter(([position, reason]) => {
        const row = database.visible().find((each) => each.position === Number(position))
        return row !== undefined && database.park(transaction, row, reason)
      })
      return one('1', String(copied.length))
    },
  ],
  [
    'FROM "oncebox"."parked"\n      WHERE lane',
    ({ database, values }) => {
      const [, topic, after, limit, key] = values as [number, string, string, number, string?]
      const rows = database.parked
        .filter(
          ({ number, row }) => row.topic === topic && number > Number(after) && (key === undefined || row.key === key),
        )
        .slice(0, limit)
      return { rows: [], wire: rows.map(({ number, row }) => dataRow(row, number)) }
    },
  ],
  [
    'DELETE FROM "oncebox"."parked"',
    async (context) => {
      if (!(await held(context))) return one('0', null)
      const numbers = JSON.parse(context.values[3] as string) as string[]
      const positions = numbers.map((number) => context.database.unpark(context.transaction, Number(number)))
      return one('1', JSON.stringify(positions.filter((position) => position !== null)))
    },
  ],
  ['NULL::bigint, NULL::uuid', ({ database, text, values }) => runWindow(database, text, values)],
  ["'snapshot', pg_current_snapshot()", ({ database }) => runProbe(database)],
  ['FROM "oncebox"."pause"', () => none],
  ['coalesce(pg_sequence_last_value', () => one('0', '0')],
  ['FROM "oncebox"."outbox_0" ORDER BY position', () => none],
  ['reclaim_publications', () => one('')],
  // What settings one sets oneself, and looks at the ring, have nothing to do with the order of messages.
  ['SELECT set_config($1', () => one('')],
]

function pinnedText(database: ModelDatabase, topic: string): string | null {
  return database.pinned.get(topic)?.toString() ?? null
}

/** Runs one statement of the relay. */
export const runRelayStatement: Run = (context) => runKnown(statements, context)
