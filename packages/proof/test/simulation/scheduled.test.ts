import type { Tx } from '@oncebox/core'
import { tables as tablesOf } from '@oncebox/schema'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Lease } from '../../../relay/src/lease.js'
import { moveDue } from '../../../relay/src/scheduled.js'
import type { Session } from '../../../relay/src/session.js'
import { probeStatement, windowSessionSettings } from '../../../relay/src/windowQuery.js'
import type { Dice } from '../../src/simulation/dice.js'
import { cursorLock } from '../../src/simulation/lanes.js'
import { ModelDatabase } from '../../src/simulation/modelDatabase.js'
import { idOf, numberOf } from '../../src/simulation/outboxRow.js'
import { runRelayStatement } from '../../src/simulation/relayStatements.js'
import { leafLock } from '../../src/simulation/ringStatements.js'
import { isAnyDue } from '../../src/simulation/scheduledStatements.js'
import type { Run } from '../../src/simulation/statement.js'
import { type Operation, runTwins, startSessions, type TwinSessions } from './twins.js'

// What is due is moved by the product's own statement, on Postgres and on the model, by lanes that want the same rows, beside
// writers, leases that are lost and leaves that somebody has for himself.

const tables = tablesOf()
const lanes = 2
const token = '00000000-0000-0000-0000-000000000001'
const schedule = `INSERT INTO oncebox.scheduled (id, due_at, source, topic, key, type)
  VALUES ($1, timestamptz '2020-01-01' + make_interval(secs => $2), 's', 'a', 'k1', 'x')`
const emit = `INSERT INTO oncebox.outbox (id, source, topic, key, type) VALUES ($1, 's', 'a', 'k1', 'x')`
/** Seconds: a hundred years. */
const later = 3_153_600_000
const probe = probeStatement(tables)
const setEpoch = 'UPDATE oncebox.relay_cursor SET epoch = $2 WHERE lane = $1'

let clients: TwinSessions['clients']
let observer: TwinSessions['observer']
let close: TwinSessions['close']

beforeAll(async () => {
  ;({ clients, observer, close } = await startSessions())
  await observer.query('SELECT oncebox.change_lanes($1)', [lanes])
  for (const client of clients) {
    for (const [name, value] of Object.entries(windowSessionSettings)) await client.query(`SET ${name} = ${value}`)
  }
})

afterAll(() => close())

/** A transaction as the relay's session: rows as lists of texts, whose columns need names of their own on the way. */
function sessionOn(tx: Tx): Session {
  const rows = async (text: string, values: readonly unknown[]) => {
    const answer = await tx.query(text.replace('FROM lease), (', 'FROM lease) AS held, ('), values)
    return answer.rows.map((row) => Object.values(row).map((value) => (value === null ? null : String(value))))
  }
  return { rows } as unknown as Session
}

function leaseOf(lane: number, epoch: number): Lease {
  return new Lease({ lane, epoch: String(epoch), token, leaseMs: 1_000, monotonicMs: () => 0, signOfLife: 0 })
}

/** Writers' statements, which the model of the relay's does not know. */
const run: Run = async (context) => {
  const { database, transaction, text, values, now } = context
  const message = { number: numberOf(String(values[0])), topic: 'a', key: 'k1' }
  if (text === schedule) {
    database.schedule(transaction, { ...message, dueAt: Number(values[1]) })
  } else if (text === emit) {
    const defaults = database.defaults(transaction, now)
    await database.locks.take(leafLock(defaults.slot), transaction, 'row exclusive')
    database.insert(transaction, message, defaults)
  } else if (text === probe) {
    return { rows: [{ header: JSON.stringify({ due: isAnyDue(database, text, now, transaction) }) }] }
  } else if (text === setEpoch) {
    const [lane, epoch] = values as [number, number]
    await database.locks.take('table relay_cursor', transaction, 'row exclusive')
    await database.locks.take(cursorLock(lane), transaction)
    const cursor = database.cursors.get(String(lane), transaction)
    if (cursor === undefined) throw new Error(`there is no lane ${lane}`)
    database.write(transaction, database.cursors.put(String(lane), { ...cursor, epoch }, transaction))
  } else {
    const { rows } = await runRelayStatement(context)
    return { rows: rows.map((row) => ({ ...row })) }
  }
  return { rows: [] }
}

async function isDue(tx: Tx): Promise<boolean> {
  const { rows } = await tx.query<{ header: string }>(probe)
  return JSON.parse(rows[0]?.header ?? '{}').due
}

function operations(): (dice: Dice) => Operation {
  let number = 0
  return (dice) => {
    const fate = dice.next()
    const lane = dice.below(lanes)
    const epoch = 1 + dice.below(8)
    const id = idOf(number++)
    // Long due, one behind the other and some at one time, or due when nobody knows of this test any more.
    const due = dice.chance(0.8) ? dice.below(4) : later
    if (fate < 0.45) return ['schedule', (tx) => tx.query(schedule, [id, due]).then(() => null)]
    if (fate < 0.5) return ['emit', (tx) => tx.query(emit, [id]).then(() => null)]
    if (fate < 0.55) return ['lose', (tx) => tx.query(setEpoch, [lane, epoch]).then(() => null)]
    if (fate < 0.58) {
      const lock = 'LOCK TABLE ONLY "oncebox"."outbox_0" IN ACCESS EXCLUSIVE MODE'
      return ['lock the leaf', (tx) => tx.query(lock).then(() => null)]
    }
    if (fate < 0.66) return ['is anything due', isDue]
    const limit = dice.pick([1, 2, 10])
    const lease = leaseOf(lane, dice.chance(0.9) ? 1 : epoch)
    return [`move ${limit}`, (tx) => moveDue(sessionOn(tx), tables, lease, { messages: limit, bytes: 1_000_000 })]
  }
}

test('what is due is moved in the model as it is in Postgres: the same rows in the same order, by whoever holds the lane, waiting for the same', async () => {
  const totals = { done: 0, waited: 0, moved: 0, left: 0 }
  for (let seed = 1; seed <= 60; seed++) {
    await observer.query('TRUNCATE oncebox.outbox, oncebox.scheduled RESTART IDENTITY')
    await observer.query('UPDATE oncebox.relay_cursor SET epoch = 1, token = $1', [token])
    const database = new ModelDatabase(lanes)
    const held = database.begin()
    for (const [lane, cursor] of database.cursors.entries(held)) {
      database.cursors.put(lane, { ...cursor, epoch: 1, token }, held)
    }
    database.commit(held)
    const { done, waited } = await runTwins({ seed, clients, observer, database, run, operation: operations() })
    const idsOf = async (table: string): Promise<unknown> =>
      (await observer.query(`SELECT array_agg(id) AS ids FROM ${table}`)).rows[0].ids ?? []
    const outbox = database.visible().sort((a, b) => a.position - b.position)
    const scheduled = database.scheduled.entries(database.begin()).map(([, { number }]) => idOf(number))
    expect(
      outbox.map(({ number }) => idOf(number)),
      `seed ${seed}`,
    ).toEqual(await idsOf('(SELECT * FROM oncebox.outbox ORDER BY position) AS rows'))
    expect(scheduled, `seed ${seed}`).toEqual(await idsOf('(SELECT * FROM oncebox.scheduled ORDER BY number) AS rows'))
    totals.done += done
    totals.waited += waited
    totals.moved += outbox.length
    totals.left += scheduled.length
  }
  expect(totals.done).toBeGreaterThan(1_000)
  expect(totals.waited).toBeGreaterThan(50)
  expect(totals.moved).toBeGreaterThan(60)
  expect(totals.left).toBeGreaterThan(60)
}, 120_000)
