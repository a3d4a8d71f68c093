import { clockOf, inboxLeafLock, inboxRingStatements } from './inboxRingStatements.js'
import { numberOf } from './outboxRow.js'
import { parkingStatements } from './parkingStatements.js'
import { change, insertNew, lockRows, put } from './rowStatements.js'
import { type Answer, type Known, lockTable, type Run, runKnown } from './statement.js'

const none: Answer = { rows: [] }
const row = (value: object): Answer => ({ rows: [value] })

const place = (topic: unknown, partition: unknown): string => `${topic} ${partition}`

/** The ids that were not there, in the order that the text says; waits for whoever is writing one of them. */
const insertIds: Run = async (context) => {
  const { database, transaction, text, values } = context
  const fresh: string[] = []
  const given = JSON.parse(values[1] as string) as string[]
  for (const id of text.includes('ORDER BY id::uuid') ? given.toSorted() : given) {
    // The insert holds the leaf; a leaf that is being emptied is waited for.
    if (database.inboxIsReclaimed) await lockTable(context, inboxLeafLock(id), 'row exclusive')
    if (database.inbox.ids.get(id, transaction) !== undefined) continue
    await database.locks.take(`id ${id}`, transaction)
    if (database.inbox.ids.get(id, transaction) !== undefined) continue
    await put(context, database.inbox.ids, 'id', id, true)
    fresh.push(id)
  }
  const names = given.map((id) => `m${numberOf(id)}`).join(' ')
  const ids = fresh.length < given.length ? JSON.stringify(fresh) : null
  return { rows: [{ ids }], told: `the inbox is given ${names}, new are ${fresh.length}` }
}

const finish: Run = async (context) => {
  const { database, transaction, values } = context
  const [, , topic, , partition, next, overwrite] = values as [0, 0, string, 0, number, string, boolean]
  const key = place(topic, partition)
  await database.locks.take(`offset ${key}`, transaction)
  const stored = database.inbox.offsets.get(key, transaction)
  if (stored === undefined || stored < Number(next) || overwrite) {
    await put(context, database.inbox.offsets, 'offset', key, Number(next))
  }
  return row({ same: true })
}

/** The statements of a consumer, known by a part of their text. */
const statements: Known = [
  ['pg_catalog.pg_class', () => row({ found: 1 })],
  ['max(version) AS version', () => row({ version: 1_000 })],
  [
    'stored.next_offset::text',
    ({ database, transaction, values }) => {
      const wanted = JSON.parse(values[1] as string) as [number, string, string, number][]
      const rows = wanted.flatMap(([position, topic, , partition]) => {
        const next = database.inbox.offsets.get(place(topic, partition), transaction)
        return next === undefined ? [] : [{ position, next_offset: String(next) }]
      })
      return { rows }
    },
  ],
  [
    'INSERT INTO "oncebox"."held_partition"',
    async (context) => {
      const [, holder, wanted] = context.values as [string, string, string]
      for (const [topic, , partition] of JSON.parse(wanted) as [string, string, number][]) {
        const { held } = context.database.inbox
        const key = `${place(topic, partition)} ${holder}`
        await insertNew(context, held, 'held', key, { inHand: null })
      }
      return none
    },
  ],
  [
    'SELECT (place - 1)::integer AS place, held.in_hand',
    ({ database, transaction, values }) => {
      const [, holder, wanted] = values as [string, string, string]
      const { held } = database.inbox
      const rows = (JSON.parse(wanted) as [string, string, number][]).flatMap(([topic, , partition], index) =>
        held
          .keys()
          .filter((key) => key.startsWith(`${place(topic, partition)} `) && !key.endsWith(holder))
          .flatMap((key) => held.get(key, transaction) ?? [])
          .map(({ inHand }) => ({ place: index, in_hand: inHand })),
      )
      return { rows }
    },
  ],
  [
    'UPDATE "oncebox"."held_partition" SET in_hand',
    async (context) => {
      const [, holder, topic, , partition, inHand] = context.values as [0, string, string, 0, number, string | null]
      await change(context, context.database.inbox.held, 'held', `${place(topic, partition)} ${holder}`, () => ({
        inHand,
      }))
      return none
    },
  ],
  [
    'DELETE FROM "oncebox"."held_partition"',
    async (context) => {
      const [, holder, wanted] = context.values as [string, string, string]
      const { held } = context.database.inbox
      const own = context.text.includes('held.holder = $2')
      const places = (JSON.parse(wanted) as [string, string, number][]).map(
        ([topic, , partition]) => `${place(topic, partition)} `,
      )
      const marks = held
        .entries(context.transaction)
        .map(([key]) => key)
        .filter((key) => places.some((one) => key.startsWith(one)) && key.endsWith(holder) === own)
      for (const [mark] of await lockRows(context, held, 'held', marks))
        await put(context, held, 'held', mark, undefined)
      return none
    },
  ],
  ...inboxRingStatements,
  ['INSERT INTO "oncebox"."inbox" (', insertIds],
  [
    'AS floor,',
    (context) => {
      const { database, transaction, values } = context
      database.write(transaction, () => undefined)
      const { offsets, attempts, heads } = database.inbox
      const next = offsets.get(place(values[1], values[3]), transaction)
      return row({
        floor: String(database.inbox.floor),
        now: String(clockOf(context)),
        transaction: String(transaction.xid),
        failing: attempts.keys().some((key) => attempts.get(key, transaction) !== undefined),
        parking: heads.entries(transaction).length > 0,
        next: next === undefined ? null : String(next),
      })
    },
  ],
  ...parkingStatements,
  ['INSERT INTO "oncebox"."consumer_offset"', finish],
  ['SELECT coalesce(pg_current_xact_id_if_assigned()', () => row({ same: true })],
  [
    'INSERT INTO "oncebox"."attempt"',
    async (context) => {
      const { database, transaction, values } = context
      const [, , id, , limitOrStarted] = values as [0, 0, string, 0, number | null | boolean]
      await database.locks.take(`attempt ${id}`, transaction)
      const before = database.inbox.attempts.get(id, transaction)
      // The one statement counts an attempt that begins, up to a limit; the other one that failed, if it was not counted then.
      if (typeof limitOrStarted === 'number' && before !== undefined && before >= limitOrStarted) return none
      const attempts = (before ?? 0) + (limitOrStarted === true && before !== undefined ? 0 : 1)
      await put(context, database.inbox.attempts, 'attempt', id, attempts)
      return row({ attempts })
    },
  ],
  [
    'SET attempts = attempts - 1',
    async (context) => {
      const { attempts } = context.database.inbox
      await change(context, attempts, 'attempt', context.values[2] as string, (count) => Math.max(0, count - 1))
      return none
    },
  ],
  [
    'AND attempts = 0',
    async (context) => {
      const id = context.values[2] as string
      const { attempts } = context.database.inbox
      if (attempts.get(id, context.transaction) === 0) await put(context, attempts, 'attempt', id, undefined)
      return none
    },
  ],
  [
    'failed.message_id AS id, failed.attempts',
    ({ database, transaction, values }) => {
      const wanted = JSON.parse(values[1] as string) as [source: string, id: string][]
      const rows = wanted.flatMap(([source, id]) => {
        const attempts = database.inbox.attempts.get(id, transaction)
        return attempts === undefined ? [] : [{ source, id, attempts }]
      })
      return { rows }
    },
  ],
  [
    'DELETE FROM "oncebox"."attempt" AS failed',
    async (context) => {
      const { attempts } = context.database.inbox
      for (const [, id] of JSON.parse(context.values[1] as string) as [string, string][]) {
        if (attempts.get(id, context.transaction) !== undefined) await put(context, attempts, 'attempt', id, undefined)
      }
      return none
    },
  ],
  [
    'INSERT INTO effect',
    ({ database, transaction, values }) => {
      const [id, key] = values as [string, string | null]
      const effect = { id, key }
      const { effects } = database.inbox
      transaction.atCommit.push(() => effects.push(effect))
      // A crash may take back what was committed and not on disk.
      database.write(transaction, () => {
        if (effects.includes(effect)) effects.splice(effects.indexOf(effect), 1)
      })
      return { rows: [], told: `the handler runs for m${numberOf(id)}` }
    },
  ],
]

/** Runs one statement of a consumer, or of its handler. */
export const runInboxStatement: Run = (context) => runKnown(statements, context)
