import { migrate, tables } from '@oncebox/schema'
import { type PostgresServer, startPostgres } from '@oncebox/testkit'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { windowStatement } from '../../../relay/src/windowQuery.js'
import { type Dice, diceOf } from '../../src/simulation/dice.js'
import { ModelDatabase, type ModelTransaction } from '../../src/simulation/modelDatabase.js'
import { idOf, positionIn } from '../../src/simulation/outboxRow.js'
import { runWindow } from '../../src/simulation/windowStatements.js'

// The model of Postgres against Postgres: the same random schedules on both, and what snapshots and windows say is equal.

const keys = ['k1', 'k2', 'k3', null]
const sessions = 5

/** One lane of one to three. */
function windowOfSomeLane(dice: Dice): string {
  const lanes = 1 + dice.below(3)
  return windowStatement(tables(), { lane: dice.below(lanes), lanes })
}

/** One transaction, in Postgres and in the model. */
interface Twin {
  readonly name: string
  readonly client: pg.Client
  transaction: ModelTransaction | null
  prepared: boolean
  /** One of its statements failed. */
  aborted: boolean
}

interface Seen {
  readonly snapshot: string
  readonly positions: readonly number[]
}

let server: PostgresServer
let reader: pg.Client
let clients: pg.Client[]

async function connected(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: server.url })
  await client.connect()
  return client
}

beforeAll(async () => {
  // Nobody else may take a transaction id.
  server = await startPostgres({ settings: { fsync: 'off', autovacuum: 'off' } })
  reader = await connected()
  await migrate(reader)
  clients = await Promise.all(Array.from({ length: sessions }, connected))
})

afterAll(async () => {
  await Promise.all([reader, ...clients].map((client) => client.end()))
  await server.remove()
})

/** Both at one place: how far ids and positions in Postgres are ahead of those in the model. */
async function startOver(): Promise<{ database: ModelDatabase; xids: number; positions: number }> {
  await reader.query('TRUNCATE oncebox.outbox RESTART IDENTITY')
  const { rows } = await reader.query('SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS xmax')
  const database = new ModelDatabase()
  return { database, xids: Number(rows[0].xmax) - database.snapshot().xmax, positions: 0 }
}

async function step(twin: Twin, dice: Dice, database: ModelDatabase, number: number): Promise<void> {
  const { client, name } = twin
  if (twin.transaction === null) {
    await client.query('BEGIN')
    twin.transaction = database.begin()
    // Half of them take an id at once, the others with their first row.
    if (dice.chance(0.5)) {
      await client.query('SELECT pg_current_xact_id()')
      database.write(twin.transaction, () => undefined)
    }
    return
  }
  const transaction = twin.transaction
  const over = (): void => {
    twin.transaction = null
    twin.prepared = false
    twin.aborted = false
  }
  const fate = dice.next()
  if (twin.prepared) {
    const commits = fate < 0.6
    await client.query(`${commits ? 'COMMIT' : 'ROLLBACK'} PREPARED '${name}'`)
    database[commits ? 'commit' : 'rollback'](transaction)
    over()
  } else if (twin.aborted) {
    // Whatever is asked for, it is rolled back: the model has done that when the statement failed.
    const asked = fate < 0.5 ? 'COMMIT' : 'ROLLBACK'
    expect((await client.query(asked)).command).toBe('ROLLBACK')
    over()
  } else if (fate < 0.1) {
    await expect(client.query('SELECT 1 / 0')).rejects.toThrow()
    // An error is told before the transaction has ended: the next statement comes after that.
    await expect(client.query('SELECT 1')).rejects.toMatchObject({ code: '25P02' })
    database.rollback(transaction)
    twin.aborted = true
  } else if (fate < 0.45) {
    const columns = 'id, key, source, topic, type, content_type'
    const key = dice.pick(keys)
    const values = [idOf(number), key]
    await client.query(`INSERT INTO oncebox.outbox (${columns}) VALUES ($1, $2, 'shop', 'a', 'made', NULL)`, values)
    database.insert(transaction, { number, topic: 'a', key })
  } else if (fate < 0.7) {
    await client.query('COMMIT')
    database.commit(transaction)
    over()
  } else if (fate < 0.85) {
    await client.query('ROLLBACK')
    database.rollback(transaction)
    over()
  } else if (transaction.xid !== null) {
    await client.query(`PREPARE TRANSACTION '${name}'`)
    database.prepare(transaction)
    twin.prepared = true
  }
}

async function inPostgres(statement: string, last: string, xids: number): Promise<Seen> {
  const query = { text: statement, values: [last, 100], rowMode: 'array' as const }
  const [header, ...rows] = (await reader.query(query)).rows as string[][]
  const { snapshot } = JSON.parse(header?.[0] ?? '{}') as { snapshot: string }
  return { snapshot: shifted(snapshot, -xids), positions: rows.map(([, position]) => Number(position)) }
}

function inModel(database: ModelDatabase, statement: string, last: string): Seen {
  const [header, ...rows] = runWindow(database, statement, [last, 100]).wire ?? []
  const text = header?.toString('utf8', 11, 11 + header.readInt32BE(7)) ?? '{}'
  return { snapshot: (JSON.parse(text) as { snapshot: string }).snapshot, positions: rows.map(positionIn) }
}

/** A snapshot whose ids are all so much further. */
function shifted(snapshot: string, by: number): string {
  return snapshot.replaceAll(/\d+/g, (xid) => String(Number(xid) + by))
}

test('the model sees what Postgres sees: snapshots, windows, running and prepared transactions', async () => {
  let windows = 0
  let held = 0
  for (let seed = 1; seed <= 16; seed++) {
    const { database, xids } = await startOver()
    const dice = diceOf(seed)
    const twins = clients.map(
      (client, index): Twin => ({ name: `t${index}`, client, transaction: null, prepared: false, aborted: false }),
    )
    let last = inModel(database, windowOfSomeLane(dice), '3:3:').snapshot
    for (let number = 1; number <= 60; number++) {
      await step(dice.pick(twins), dice, database, number)
      if (!dice.chance(0.4)) continue
      const statement = windowOfSomeLane(dice)
      const seen = await inPostgres(statement, shifted(last, xids), xids)
      expect(inModel(database, statement, last), `seed ${seed}, step ${number}`).toEqual(seen)
      windows++
      held += seen.positions.length
      if (dice.chance(0.5)) last = seen.snapshot
    }
    for (const { client, name, transaction, prepared } of twins) {
      if (transaction !== null) await client.query(prepared ? `ROLLBACK PREPARED '${name}'` : 'ROLLBACK')
    }
  }
  // Schedules in which nothing happens prove nothing.
  expect(windows).toBeGreaterThan(200)
  expect(held).toBeGreaterThan(100)
}, 60_000)

test('a crash leaves in the model what it leaves in Postgres: what was committed, and what was prepared', async () => {
  const { database } = await startOver()
  const names = ['committed', 'running', 'prepared']
  for (const [index, name] of names.entries()) {
    const client = clients[index] as pg.Client
    const transaction = database.begin()
    await client.query('BEGIN')
    const columns = 'id, source, topic, type, content_type'
    await client.query(`INSERT INTO oncebox.outbox (${columns}) VALUES ($1, 'shop', 'a', 'made', NULL)`, [idOf(index)])
    database.insert(transaction, { number: index, topic: 'a', key: null })
    if (name === 'committed') {
      await client.query('COMMIT')
      database.commit(transaction)
    } else if (name === 'prepared') {
      await client.query("PREPARE TRANSACTION 'survivor'")
      database.prepare(transaction)
    } else {
      open = transaction
    }
  }
  for (const client of [reader, ...clients]) client.on('error', () => undefined)
  await server.crash()
  await server.start()
  reader = await connected()
  clients = []
  const visible = async (): Promise<number[]> =>
    (await reader.query('SELECT position::int FROM oncebox.outbox ORDER BY position')).rows.map((row) => row.position)
  database.crash([open as ModelTransaction])
  expect(database.visible().map(({ position }) => position)).toEqual(await visible())
  // Whoever is prepared is running for everybody's snapshot.
  const { rows } = await reader.query('SELECT pg_snapshot_xip(pg_current_snapshot())')
  expect(database.snapshot().xip.length).toBe(rows.length)
  await reader.query("COMMIT PREPARED 'survivor'")
  expect(await visible()).toEqual([1, 3])
})

let open: ModelTransaction | undefined
