import { type PostgresServer, startPostgres, until } from '@oncebox/testkit'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type Dice, diceOf } from '../../src/simulation/dice.js'
import type { LockMode } from '../../src/simulation/locks.js'
import { ModelDatabase } from '../../src/simulation/modelDatabase.js'
import { modelPool } from '../../src/simulation/modelPool.js'
import { ModelRows } from '../../src/simulation/modelRows.js'
import { SimulatedProcess } from '../../src/simulation/process.js'
import type { Run } from '../../src/simulation/statement.js'
import { Timeline } from '../../src/simulation/timeline.js'

// The model of a session against sessions of Postgres: the same statements on both, and every answer the same.

let server: PostgresServer
let clients: pg.Client[]

beforeAll(async () => {
  server = await startPostgres({ settings: { fsync: 'off', deadlock_timeout: '20ms' } })
  clients = await Promise.all(
    Array.from({ length: 3 }, async () => {
      const client = new pg.Client({ connectionString: server.url })
      await client.connect()
      return client
    }),
  )
  await client(0).query('CREATE TABLE row_of (name text PRIMARY KEY, value int NOT NULL)')
})

beforeEach(async () => {
  await Promise.all(clients.map((each) => each.query('ROLLBACK')))
  await client(0).query("TRUNCATE row_of; INSERT INTO row_of VALUES ('a', 0), ('b', 0), ('c', 0)")
})

afterAll(async () => {
  await Promise.all(clients.map((each) => each.end()))
  await server.remove()
})

function client(index: number): pg.Client {
  return clients[index] as pg.Client
}

const failing = 'SELECT 1 / 0'
const read = 'SELECT name, value FROM row_of ORDER BY name'
const update = (name: string, value: number): string => `UPDATE row_of SET value = ${value} WHERE name = '${name}'`

/** A database with the table of three rows, and sessions of it. */
class Model {
  readonly timeline = new Timeline()
  readonly database = new ModelDatabase()
  readonly rows = new ModelRows<number>()
  readonly #pool: ReturnType<typeof modelPool>

  constructor() {
    const { database, timeline, rows } = this
    const begun = database.begin()
    for (const name of ['a', 'b', 'c']) rows.put(name, 0, begun)
    database.commit(begun)
    const process = new SimulatedProcess(timeline)
    const nothing = (): void => undefined
    this.#pool = modelPool({
      database,
      timeline,
      process,
      dice: diceOf(1),
      reachable: () => true,
      sessions: new Set(),
      tell: nothing,
      unknown: nothing,
      run: this.#run,
    })
  }

  readonly #run: Run = async ({ database, transaction, text }) => {
    if (text === failing) throw Object.assign(new Error('division by zero'), { code: '22012' })
    if (text === read) {
      return { rows: ['a', 'b', 'c'].map((name) => ({ name, value: this.rows.get(name, transaction) })) }
    }
    const [, value, name = ''] = /SET value = (\d+) WHERE name = '(\w)'/.exec(text) ?? []
    await database.locks.take(name, transaction)
    if (!transaction.ended) database.write(transaction, this.rows.put(name, Number(value), transaction))
    return { rows: [] }
  }

  /** What comes of the work, once everything that can happen has. */
  async settled<T>(work: Promise<T>): Promise<T> {
    await this.timeline.run(this.timeline.now + 1_000, () => false)
    return work
  }

  async session() {
    return this.settled(this.#pool.connect())
  }
}

/** What became of a statement, as both sides tell it: rows, the end of a transaction, or the SQLSTATE. */
async function fateOf(answer: Promise<{ rows: unknown[]; command: string }>): Promise<unknown> {
  return answer.then(
    ({ rows, command }) => (rows.length > 0 ? rows : /COMMIT|ROLLBACK/.test(command) ? command : 'done'),
    (error: Error & { code?: string }) => error.code,
  )
}

function statementAtRandom(dice: Dice, number: number): string {
  const fate = dice.next()
  if (fate < 0.25) return 'BEGIN'
  if (fate < 0.35) return 'ROLLBACK'
  if (fate < 0.5) return 'COMMIT'
  if (fate < 0.65) return failing
  return fate < 0.8 ? read : update(dice.pick(['a', 'b', 'c']), number)
}

test('a transaction of the model ends as one of Postgres does when a statement of it failed', async () => {
  let aborted = 0
  for (let seed = 1; seed <= 15; seed++) {
    const model = new Model()
    const session = await model.session()
    await client(0).query(['a', 'b', 'c'].map((name) => update(name, 0)).join(';'))
    const dice = diceOf(seed)
    for (let number = 1; number <= 40; number++) {
      const text = statementAtRandom(dice, number)
      const inPostgres = await fateOf(client(0).query(text))
      const inModel = await model.settled(fateOf(session.query(text)))
      expect(inModel, `seed ${seed}, statement ${number}: ${text}`).toEqual(inPostgres)
      if (inPostgres === '25P02') aborted++
    }
    await client(0).query('ROLLBACK')
  }
  expect(aborted).toBeGreaterThan(50)
})

/** Resolves once the statement has ended, true, or waits for a lock, false. */
async function endsOrWaits(who: pg.Client, statement: Promise<unknown>): Promise<boolean> {
  const { processID } = who as pg.Client & { processID: number }
  let ended = false
  void statement.finally(() => {
    ended = true
  })
  await until(
    async () => {
      const { rows } = await client(2).query('SELECT cardinality(pg_blocking_pids($1)) AS blockers', [processID])
      return ended || rows[0].blockers > 0
    },
    { what: 'a statement that ends or waits' },
  )
  return ended
}

test('of two transactions that wait for each other, one ends with 40P01 and the other has both rows', async () => {
  for (const failsInPostgres of [0, 1]) {
    const model = new Model()
    const sessions = [await model.session(), await model.session()]
    for (const [index, session] of sessions.entries()) {
      const own = update(['a', 'b'][index] as string, index + 1)
      for (const text of ['BEGIN', own]) {
        await client(index).query(text)
        await model.settled(session.query(text))
      }
    }
    const crosswise = (index: number): string => update(['b', 'a'][index] as string, index + 1)
    const answers = [0, 1].map((index) => {
      const who = [failsInPostgres, 1 - failsInPostgres][index] as number
      return fateOf(client(who).query(crosswise(who)))
    })
    expect((await Promise.all(answers)).toSorted()).toEqual(['40P01', 'done'])
    const [first, second] = sessions.map((session, index) => fateOf(session.query(crosswise(index))))
    const fates = await model.settled(Promise.all([first, second]))
    expect(fates.toSorted()).toEqual(['40P01', 'done'])
    for (const each of [0, 1]) {
      await client(each).query('COMMIT')
      await model.settled((sessions[each] as (typeof sessions)[0]).query('COMMIT'))
    }
    // The winner's values, in both rows.
    const { rows } = await client(2).query(read)
    const winner = fates.indexOf('done') + 1
    const reader = await model.session()
    expect(await model.settled(fateOf(reader.query(read)))).toEqual(
      rows.map((row) => ({ ...row, value: row.name === 'c' ? 0 : winner })),
    )
    expect(new Set(rows.slice(0, 2).map(({ value }) => value)).size).toBe(1)
    await client(2).query(['a', 'b'].map((name) => update(name, 0)).join(';'))
  }
})

test('a failed statement frees what its transaction had locked, before the transaction is ended', async () => {
  const model = new Model()
  const [holder, waiter] = [await model.session(), await model.session()]
  for (const text of ['BEGIN', update('a', 1)]) {
    await client(0).query(text)
    await model.settled(holder.query(text))
  }
  const waiting = client(1).query(update('a', 2))
  expect(await endsOrWaits(client(1), waiting)).toBe(false)
  let ended = false
  const modelWaiting = waiter.query(update('a', 2)).then(() => {
    ended = true
  })
  await model.settled(Promise.resolve())
  expect(ended).toBe(false)
  expect(await fateOf(client(0).query(failing))).toBe('22012')
  expect(await model.settled(fateOf(holder.query(failing)))).toBe('22012')
  await waiting
  await model.settled(modelWaiting)
  expect(await model.settled(fateOf(waiter.query(read)))).toEqual((await client(1).query(read)).rows)
  await client(0).query('ROLLBACK')
})

const modes: readonly LockMode[] = ['access share', 'row exclusive', 'share row exclusive', 'access exclusive']

test('a lock of a table waits for the same locks in the model as in Postgres, and for those who wait before it', async () => {
  for (const held of modes) {
    for (const wanted of modes) {
      for (const between of [null, ...modes]) {
        const { database } = new Model()
        const transactions = [database.begin(), database.begin(), database.begin()] as const
        await client(0).query('BEGIN')
        await client(0).query(`LOCK TABLE row_of IN ${held} MODE`)
        database.locks.take('table', transactions[0], held)
        let waiting: Promise<unknown> = Promise.resolve()
        if (between !== null) {
          await client(1).query('BEGIN')
          waiting = client(1).query(`LOCK TABLE row_of IN ${between} MODE`)
          const waits = !(await endsOrWaits(client(1), waiting))
          expect(database.locks.take('table', transactions[1], between) !== null).toBe(waits)
        }
        await client(2).query('BEGIN')
        const got = await client(2)
          .query(`LOCK TABLE row_of IN ${wanted} MODE NOWAIT`)
          .then(
            () => true,
            ({ code }: { code: string }) => (code === '55P03' ? false : Promise.reject(code)),
          )
        const inModel = database.locks.take('table', transactions[2], wanted) === null
        expect(inModel, `${wanted} beside ${held}, behind ${between}`).toBe(got)
        await client(2).query('ROLLBACK')
        await client(0).query('ROLLBACK')
        await waiting
        await client(1).query('ROLLBACK')
      }
    }
  }
})
