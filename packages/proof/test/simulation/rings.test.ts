import { fromPg, pgDatabase } from '@oncebox/core/pg'
import { reclaimInbox } from '@oncebox/inbox'
import { migrate, outboxRing, tables as tablesOf } from '@oncebox/schema'
import { type PostgresServer, startPostgres } from '@oncebox/testkit'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { insertIds } from '../../../inbox/src/dedupe.js'
import { readGate, refusalOf } from '../../../inbox/src/floor.js'
import { messageIdOf } from '../../../inbox/src/messageId.js'
import { reclaimLeaf } from '../../../relay/src/reclaim.js'
import { Session } from '../../../relay/src/session.js'
import { diceOf } from '../../src/simulation/dice.js'
import { runInboxStatement } from '../../src/simulation/inboxStatements.js'
import { ModelDatabase, type ModelTransaction } from '../../src/simulation/modelDatabase.js'
import { modelPool } from '../../src/simulation/modelPool.js'
import { idOf } from '../../src/simulation/outboxRow.js'
import { beginning, SimulatedProcess } from '../../src/simulation/process.js'
import { runRelayStatement } from '../../src/simulation/relayStatements.js'
import { leafLock } from '../../src/simulation/ringStatements.js'
import { snapshotText } from '../../src/simulation/snapshots.js'
import type { Run } from '../../src/simulation/statement.js'
import { Timeline } from '../../src/simulation/timeline.js'

// Leaves of outbox and inbox are emptied by the product's own code, on Postgres and on the model, beside transactions that hold
// them: the same leaves are given back, and the same rows are left.

const tables = tablesOf()
const dayMs = 86_400_000

let server: PostgresServer
let pool: pg.Pool
let observer: pg.Client
let clients: pg.Client[]

beforeAll(async () => {
  server = await startPostgres({ settings: { fsync: 'off', autovacuum: 'off' } })
  pool = new pg.Pool({ connectionString: server.url })
  const connected = async (): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString: server.url })
    await client.connect()
    return client
  }
  observer = await connected()
  await migrate(observer)
  clients = [await connected(), await connected()]
})

afterAll(async () => {
  await Promise.all([observer, ...clients].map((each) => each.end()))
  await pool.end()
  await server.remove()
})

/** The model's side: what it is given to do is done in virtual time. */
class Model {
  readonly timeline = new Timeline()
  readonly database = new ModelDatabase()
  readonly pool: ReturnType<typeof modelPool>
  #mistake: unknown

  constructor(seed: number, run: Run) {
    this.database.outboxIsReclaimed = true
    this.database.inboxIsReclaimed = true
    this.pool = modelPool({
      database: this.database,
      timeline: this.timeline,
      process: new SimulatedProcess(this.timeline),
      dice: diceOf(seed, 1),
      reachable: () => true,
      sessions: new Set(),
      tell: () => undefined,
      unknown: (error) => {
        if (!(error instanceof Error) || !('code' in error)) this.#mistake ??= error
      },
      run,
    })
  }

  async settled<T>(work: Promise<T>): Promise<T> {
    await this.timeline.run(this.timeline.now + 5_000, () => false)
    if (this.#mistake !== undefined) throw this.#mistake
    return work
  }
}

/** A writer of both sides. */
interface Twin {
  readonly client: pg.Client
  transaction: ModelTransaction | null
}

test('a leaf of the outbox is emptied in the model when it is in Postgres, and never under an open transaction', async () => {
  let emptied = 0
  let refused = 0
  const session = await Session.open(pool, { timeoutMs: 20_000 })
  for (let seed = 1; seed <= 12; seed++) {
    const dice = diceOf(seed)
    const model = new Model(seed, runRelayStatement)
    const { database, timeline } = model
    const modelSession = await model.settled(
      Session.open(model.pool as unknown as Parameters<typeof Session.open>[0], { timeoutMs: 20_000 }),
    )
    await observer.query("TRUNCATE oncebox.outbox; SELECT setval('oncebox.outbox_slot', 0)")
    await observer.query('UPDATE oncebox.relay_cursor SET last_snapshot = pg_current_snapshot()')
    const caughtUp = (): void => {
      const transaction = database.begin()
      const cursor = database.cursors.get('0', transaction)
      if (cursor === undefined) throw new Error('there is no lane 0')
      const last = snapshotText(database.snapshot())
      database.write(transaction, database.cursors.put('0', { ...cursor, last }, transaction))
      database.commit(transaction)
    }
    caughtUp()
    const twins = clients.map((client): Twin => ({ client, transaction: null }))
    for (let step = 0; step < 50; step++) {
      const fate = dice.next()
      const twin = dice.pick(twins)
      if (fate < 0.55) {
        if (twin.transaction === null) {
          await twin.client.query('BEGIN')
          twin.transaction = database.begin()
        } else if (fate < 0.3) {
          const columns = 'id, source, topic, type, content_type'
          const values = `($1, 'shop', 'a', 'made', NULL)`
          await twin.client.query(`INSERT INTO oncebox.outbox (${columns}) VALUES ${values}`, [idOf(step)])
          const defaults = database.defaults(twin.transaction, timeline.now)
          expect(database.locks.take(leafLock(defaults.slot), twin.transaction, 'row exclusive')).toBeNull()
          database.insert(twin.transaction, { number: step, topic: 'a', key: null }, defaults)
        } else {
          const commits = fate < 0.5
          await twin.client.query(commits ? 'COMMIT' : 'ROLLBACK')
          database[commits ? 'commit' : 'rollback'](twin.transaction)
          twin.transaction = null
        }
      } else if (fate < 0.6) {
        const slot = dice.below(2)
        await observer.query("SELECT setval('oncebox.outbox_slot', $1)", [slot])
        database.slot = slot
      } else if (fate < 0.74) {
        await observer.query('UPDATE oncebox.relay_cursor SET last_snapshot = pg_current_snapshot()')
        caughtUp()
      } else {
        const leaf = outboxRing.leaves[dice.below(2)] as string
        const inPostgres = await reclaimLeaf(session, tables, leaf, 0)
        const inModel = await model.settled(reclaimLeaf(modelSession, tables, leaf, 0))
        expect(inModel, `seed ${seed}, step ${step}: ${leaf}`).toBe(inPostgres)
        if (inPostgres) emptied++
        else refused++
        const { rows } = await observer.query('SELECT id FROM oncebox.outbox ORDER BY id')
        const left = database.visible().map(({ number }) => idOf(number))
        expect(left.toSorted(), `seed ${seed}, step ${step}`).toEqual(rows.map(({ id }) => id))
      }
    }
    for (const { client } of twins) await client.query('ROLLBACK')
  }
  session.close()
  expect(emptied).toBeGreaterThan(8)
  expect(refused).toBeGreaterThan(15)
}, 120_000)

/** A UUIDv7 of a time. */
function uuidAt(ms: number, number: number): string {
  const hex = Math.floor(ms).toString(16).padStart(12, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-${String(number).padStart(12, '0')}`
}

test('ids of the inbox are forgotten in the model when they are in Postgres, and what comes late is refused by both', async () => {
  const record = { topic: 'a', partition: 0, offset: '0', timestamp: 1_000, key: null, value: null, headers: [] }
  const limits = { horizonMs: 20 * dayMs, futureMs: 600_000 }
  const forgotten: string[] = []
  let late = 0
  for (let seed = 1; seed <= 10; seed++) {
    const dice = diceOf(seed)
    await pool.query("TRUNCATE oncebox.inbox; SELECT setval('oncebox.inbox_floor', 0)")
    const model = new Model(seed, runInboxStatement)
    // Both clocks show the same day; the hours are those of the wall.
    model.database.clockAheadMs = Date.now() - beginning
    const noon = Math.floor(Date.now() / dayMs) * dayMs + dayMs / 2
    const twins = []
    for (const client of clients) twins.push({ client, model: await model.settled(model.pool.connect()), open: false })
    for (let step = 0; step < 30; step++) {
      const twin = dice.pick(twins)
      const fate = dice.next()
      const both = async <T>(work: (tx: Pick<pg.ClientBase, 'query'>) => Promise<T>): Promise<[T, T]> => {
        const inPostgres = await work(twin.client)
        return [await model.settled(work(twin.model as unknown as pg.ClientBase)), inPostgres]
      }
      if (!twin.open) {
        await both((tx) => tx.query('BEGIN'))
        twin.open = true
      } else if (fate < 0.6) {
        // Ids of others are others': nobody waits for anybody.
        const number = twins.indexOf(twin) * 10 + dice.below(3)
        const daysAgo = dice.pick([0, 1, 9, 10, 11, 11, 11, 12, 23])
        const id = messageIdOf(record, uuidAt(noon - daysAgo * dayMs, number), 'shop')
        const [inModel, inPostgres] = await both(async (client) => {
          const tx = fromPg(client as pg.ClientBase)
          const fresh = await insertIds(tx, tables, 'group', [id], null)
          const gate = await readGate(tx, tables, 'group', null)
          return { fresh: fresh.has(id.identity), refusal: refusalOf(id, gate, limits) }
        })
        expect(inModel, `seed ${seed}, step ${step}`).toEqual(inPostgres)
        if (inPostgres.refusal !== null) late++
      } else {
        await both((tx) => tx.query(fate < 0.9 ? 'COMMIT' : 'ROLLBACK'))
        twin.open = false
      }
      if (!dice.chance(0.3)) continue
      const inPostgres = await reclaimInbox({ db: pgDatabase(pool) })
      const inModel = await model.settled(reclaimInbox({ db: pgDatabase(model.pool as unknown as pg.Pool) }))
      expect(inModel.leaves, `seed ${seed}, step ${step}`).toEqual(inPostgres.leaves)
      expect(Math.abs(inModel.floorMs - inPostgres.floorMs)).toBeLessThan(dayMs / 2)
      forgotten.push(...inPostgres.leaves)
    }
    for (const { client } of twins) await client.query('ROLLBACK')
  }
  expect(forgotten.length).toBeGreaterThan(10)
  expect(late).toBeGreaterThan(10)
}, 120_000)
