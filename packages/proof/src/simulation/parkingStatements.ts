import { createHash } from 'node:crypto'
import type { ModelRows } from './modelRows.js'
import { numberOf } from './outboxRow.js'
import { change, insertNew, locked, lockRows, put } from './rowStatements.js'
import type { Answer, Known, StatementContext } from './statement.js'

/** A record as the tables of what waits and of dead letters keep it. */
export interface StoredMessage {
  readonly source: string
  readonly id: string
  readonly type: string
  readonly topic: string
  readonly partition: number
  readonly offset: string | null
  readonly timeMs: number
  /** Base64. */
  readonly key: string | null
  readonly payload: string | null
  readonly headers: unknown
}

export interface DeadLetterRow {
  readonly message: StoredMessage
  readonly reason: string
  readonly attempts: number
  /** Later messages of its key wait behind it. */
  readonly parks: boolean
  readonly retryAt: number | null
  readonly tries: number
}

const none: Answer = { rows: [] }
const row = (value: object): Answer => ({ rows: [value] })

const headOf = (topic: unknown, digest: unknown): string => `${topic} ${digest}`

const digestOf = (key: string): string => createHash('sha256').update(Buffer.from(key, 'base64')).digest('hex')

/** A message out of the JSON in which it is given to be stored. */
function storedMessage(given: Readonly<Record<string, unknown>>): StoredMessage {
  const { source, message_id: id, type, topic, partition, record_offset: offset, time_ms: timeMs } = given
  const { key, payload, headers } = given
  return { source, id, type, topic, partition, offset, timeMs, key, payload, headers } as StoredMessage
}

/** What the columns of a stored record answer. */
function recordRow({ topic, partition, offset, timeMs, key, payload, headers }: StoredMessage): object {
  return { topic, partition, offset, timeMs: String(timeMs), key, payload, headers: JSON.stringify(headers) }
}

function waitingOf({ database, transaction }: StatementContext, topic: unknown, digest: unknown) {
  return database.inbox.waiting
    .entries(transaction)
    .filter(([, { topic: its, key }]) => its === topic && key !== null && digestOf(key) === digest)
    .sort(([a], [b]) => Number(a) - Number(b))
}

/** Of rows that are due the first one whose lock is to be had at once, locked. */
function firstDue<Value>(
  { database, transaction, now }: StatementContext,
  table: ModelRows<Value>,
  name: string,
  dueOf: (value: Value) => number | null,
): [key: string, value: Value] | undefined {
  const due = table
    .entries(transaction)
    .filter(([, value]) => (dueOf(value) ?? Number.POSITIVE_INFINITY) <= now)
    .sort(([, a], [, b]) => (dueOf(a) ?? 0) - (dueOf(b) ?? 0))
    .find(([key]) => database.locks.isFree(`${name} ${key}`, transaction))
  if (due !== undefined) database.locks.take(`${name} ${due[0]}`, transaction)
  return due
}

const dueAfter = (now: number, ms: unknown): number | null => (ms === null ? null : now + Number(ms))

/** Keys that wait. */
const heads: Known = [
  [
    'SELECT head.topic, encode(head.key_digest',
    async (context) => {
      const wanted = JSON.parse(context.values[1] as string) as [topic: string, digest: string][]
      const keys = wanted.map((head) => headOf(...head)).sort()
      const there = await lockRows(context, context.database.inbox.heads, 'head', keys)
      return {
        rows: there.map(([key]) => {
          const [topic, digest] = key.split(' ')
          return { topic, digest }
        }),
      }
    },
  ],
  [
    'INSERT INTO "oncebox"."parked_key"',
    async (context) => {
      const given = JSON.parse(context.values[1] as string) as [topic: string, digest: string, dueInMs: number | null][]
      for (const [topic, digest, ms] of given.toSorted((a, b) => (headOf(a[0], a[1]) < headOf(b[0], b[1]) ? -1 : 1))) {
        const head = { dueAt: dueAfter(context.now, ms) }
        await insertNew(context, context.database.inbox.heads, 'head', headOf(topic, digest), head)
      }
      return { rows: [], told: `${given.length === 1 ? 'a key waits' : `${given.length} keys wait`} from now on` }
    },
  ],
  [
    'count(*)::integer AS keys',
    ({ database, transaction }) =>
      row({ keys: database.inbox.heads.entries(transaction).filter(([, { dueAt }]) => dueAt !== null).length }),
  ],
  [
    "SELECT topic, encode(key_digest, 'hex') AS digest FROM",
    (context) => {
      const due = firstDue(context, context.database.inbox.heads, 'head', ({ dueAt }) => dueAt)
      const [topic, digest] = due?.[0].split(' ') ?? []
      return due === undefined ? none : row({ topic, digest })
    },
  ],
  [
    'SELECT due_at IS NOT NULL AS due FROM "oncebox"."parked_key"',
    async (context) => {
      const [, topic, digest] = context.values
      const head = await locked(context, context.database.inbox.heads, 'head', headOf(topic, digest))
      return head === undefined ? none : row({ due: head.dueAt !== null })
    },
  ],
  [
    'DELETE FROM "oncebox"."parked_key"',
    async (context) => {
      const [, topic, digest] = context.values
      const unlessWaiting = !context.text.endsWith('WHERE true')
      if (unlessWaiting && waitingOf(context, topic, digest).length > 0) return none
      await change(context, context.database.inbox.heads, 'head', headOf(topic, digest), () => undefined)
      return none
    },
  ],
  [
    'UPDATE "oncebox"."parked_key"',
    async (context) => {
      const [, topic, digest, ms] = context.values
      const dueAt = dueAfter(context.now, ms === undefined ? 0 : ms)
      await change(context, context.database.inbox.heads, 'head', headOf(topic, digest), () => ({ dueAt }))
      return none
    },
  ],
]

/** Messages that wait behind the head of their key. */
const waiting: Known = [
  [
    'INSERT INTO "oncebox"."parked_delivery"',
    async (context) => {
      const { inbox } = context.database
      const given = JSON.parse(context.values[1] as string) as Record<string, unknown>[]
      for (const message of given.map(storedMessage)) {
        const there = await rowOf(context, inbox.waiting, 'delivery', ({ id }) => id === message.id, message.id)
        if (there === undefined) await put(context, inbox.waiting, 'delivery', String(++inbox.numbers), message)
      }
      return { rows: [], told: `${given.map(({ message_id: id }) => `m${numberOf(String(id))}`).join(' ')} wait` }
    },
  ],
  [
    'SELECT number::text AS number, source, message_id AS id',
    (context) => {
      const [, topic, digest, limit] = context.values
      const rows = waitingOf(context, topic, digest)
        .slice(0, Number(limit))
        .map(([number, message]) => {
          const { source, id, type } = message
          return { number, source, id, type, ...recordRow(message) }
        })
      return { rows }
    },
  ],
  [
    'DELETE FROM "oncebox"."parked_delivery" AS parked',
    async (context) => {
      for (const number of JSON.parse(context.values[0] as string) as string[]) {
        await change(context, context.database.inbox.waiting, 'delivery', number, () => undefined)
      }
      return none
    },
  ],
  [
    'buried AS (DELETE FROM "oncebox"."parked_delivery"',
    async (context) => {
      const [number, reason, , parks] = context.values as [string, string, 0, boolean]
      const { inbox } = context.database
      const message = await change(context, inbox.waiting, 'delivery', number, () => undefined)
      if (message === undefined) return none
      const attempts = inbox.attempts.get(message.id, context.transaction) ?? 0
      const earlier = await letterOf(context, message.id)
      const letter = { message, reason, attempts, parks, retryAt: null, tries: 0 }
      if (earlier === undefined) await put(context, inbox.letters, 'letter', String(++inbox.numbers), letter)
      else
        await change(context, inbox.letters, 'letter', earlier[0], (its) => ({ ...its, parks, reason, retryAt: null }))
      return { rows: [{ number }], told: buried(message.id, reason) }
    },
  ],
]

const buried = (id: string, reason: string): string => `m${numberOf(id)} is a dead letter (${reason})`

/** The row of a message by its unique index; waits for whoever is inserting, changing or deleting it. */
async function rowOf<Value>(
  { database, transaction }: StatementContext,
  table: ModelRows<Value>,
  name: string,
  isOf: (value: Value) => boolean,
  id: string,
): Promise<[key: string, value: Value] | undefined> {
  const seen = () => table.entries(transaction).find(([, value]) => isOf(value))
  for (;;) {
    const there = seen()
    if (there === undefined) {
      // Whoever has inserted it and not ended yet holds this.
      await database.locks.passed(`new ${name} of ${id}`, transaction)
      if (seen() !== undefined) continue
      await database.locks.take(`new ${name} of ${id}`, transaction)
      return undefined
    } else {
      if (!table.isChanging(there[0], transaction)) return there
      await database.locks.passed(`${name} ${there[0]}`, transaction)
    }
  }
}

function letterOf(context: StatementContext, id: string): Promise<[key: string, value: DeadLetterRow] | undefined> {
  return rowOf(context, context.database.inbox.letters, 'letter', ({ message }) => message.id === id, id)
}

const letters: Known = [
  [
    'INSERT INTO "oncebox"."dead_letter" (',
    async (context) => {
      const { inbox } = context.database
      const told: string[] = []
      for (const given of JSON.parse(context.values[1] as string) as Record<string, unknown>[]) {
        const message = storedMessage(given)
        if ((await letterOf(context, message.id)) !== undefined) continue
        const attempts = inbox.attempts.get(message.id, context.transaction) ?? 0
        const { reason, parks } = given as { reason: string; parks: boolean }
        const letter = { message, reason, attempts, parks, retryAt: null, tries: 0 }
        await put(context, inbox.letters, 'letter', String(++inbox.numbers), letter)
        told.push(buried(message.id, reason))
      }
      return told.length === 0 ? none : { rows: [], told: told.join(', ') }
    },
  ],
  [
    'SET retry_tries = retry_tries + 1',
    async (context) => {
      const { letters: table } = context.database.inbox
      const due = firstDue(context, table, 'letter', ({ retryAt }) => retryAt)
      if (due === undefined) return none
      const [number, letter] = due
      const tries = letter.tries + 1
      const retryAt = context.now + Number(context.values[1])
      await put(context, table, 'letter', number, { ...letter, tries, retryAt })
      const { message, attempts, parks } = letter
      const digest = message.key === null ? null : digestOf(message.key)
      return row({ number, attempts, tries, parks, digest, ...recordRow(message) })
    },
  ],
  [
    'SELECT number::text AS number FROM "oncebox"."dead_letter"',
    async (context) => {
      const number = String(context.values[0])
      const letter = await locked(context, context.database.inbox.letters, 'letter', number)
      return letter === undefined || letter.retryAt === null ? none : row({ number })
    },
  ],
  [
    'DELETE FROM "oncebox"."dead_letter"',
    async (context) => {
      const number = String(context.values[0])
      const { letters: table } = context.database.inbox
      const letter = await locked(context, table, 'letter', number)
      if (letter === undefined || letter.retryAt === null) return none
      await put(context, table, 'letter', number, undefined)
      return { rows: [{ number }], told: `m${numberOf(letter.message.id)} is a dead letter no longer` }
    },
  ],
  [
    'SET retry_at = NULL, retry_tries = 0, attempts = attempts + 1',
    async (context) => {
      const number = String(context.values[0])
      const letter = await change(context, context.database.inbox.letters, 'letter', number, (its) =>
        its.retryAt === null ? its : { ...its, retryAt: null, tries: 0, attempts: its.attempts + 1 },
      )
      return letter === undefined || letter.retryAt === null ? none : row({ number })
    },
  ],
  [
    'SET retry_tries = greatest(0, retry_tries - 1)',
    async (context) => {
      const [number, ms] = context.values
      await change(context, context.database.inbox.letters, 'letter', String(number), (its) =>
        its.retryAt === null ? its : { ...its, retryAt: context.now + Number(ms), tries: Math.max(0, its.tries - 1) },
      )
      return none
    },
  ],
]

const others: Known = [
  [
    'extract(epoch FROM least(',
    ({ database, transaction, now }) => {
      const keys = database.inbox.heads.entries(transaction).flatMap(([, { dueAt }]) => dueAt ?? [])
      const retries = database.inbox.letters.entries(transaction).flatMap(([, { retryAt }]) => retryAt ?? [])
      const next = Math.min(...keys, ...retries)
      return row({ ms: Number.isFinite(next) ? String(next - now) : null })
    },
  ],
  [
    'SELECT pg_current_xact_id()::text AS transaction,',
    ({ database, transaction }) => row({ transaction: String(database.write(transaction, () => undefined)) }),
  ],
]

/** Statements about what waits in the database and about dead letters. */
export const parkingStatements: Known = [...heads, ...waiting, ...letters, ...others]
