import type { Tx } from '@oncebox/core'
import { fromPg } from '@oncebox/core/pg'
import { migrate } from '@oncebox/schema'
import { startPostgres, until } from '@oncebox/testkit'
import pg from 'pg'
import { expect } from 'vitest'
import { type Dice, diceOf } from '../../src/simulation/dice.js'
import type { ModelDatabase } from '../../src/simulation/modelDatabase.js'
import { type ModelSession, modelPool } from '../../src/simulation/modelPool.js'
import { SimulatedProcess } from '../../src/simulation/process.js'
import type { Run } from '../../src/simulation/statement.js'
import { Timeline } from '../../src/simulation/timeline.js'

/** What both sides are asked to do in a transaction; what it answers has nothing in it that is not the same on both. */
export type Operation = readonly [name: string, run: (tx: Tx) => Promise<unknown>]

/** How much was done, and how often somebody waited. */
export interface TwinRun {
  readonly done: number
  readonly waited: number
}

export interface TwinParts {
  readonly seed: number
  /** A session each. */
  readonly clients: readonly pg.Client[]
  /** Looks at who waits. */
  readonly observer: pg.Client
  readonly database: ModelDatabase
  /** Knows the statements. */
  readonly run: Run
  readonly operation: (dice: Dice) => Operation
}

/** Sessions on a migrated database, on a server of their own. */
export interface TwinSessions {
  readonly clients: pg.Client[]
  readonly observer: pg.Client
  close(): Promise<void>
}

const sessionsAtOnce = 3

/** Who closes a circle of locks waits in it for long; the model says so at once, and the schedule ends there. */
export async function startSessions(): Promise<TwinSessions> {
  const server = await startPostgres({ settings: { fsync: 'off', autovacuum: 'off', deadlock_timeout: '60s' } })
  const connected = async (): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString: server.url })
    await client.connect()
    return client
  }
  const observer = await connected()
  await migrate(observer)
  const clients = await Promise.all(Array.from({ length: sessionsAtOnce }, connected))
  return {
    clients,
    observer,
    async close() {
      await Promise.all([observer, ...clients].map((client) => client.end()))
      await server.remove()
    },
  }
}

/** One session on both sides. */
interface Twin {
  readonly client: pg.Client & { processID?: number }
  readonly model: Tx
  /** What it waits for: the answers to come. */
  waiting: { readonly what: string; readonly real: Pending; readonly model: Pending } | null
  open: boolean
}

interface Pending {
  ended: boolean
  readonly answer: Promise<unknown>
}

function pending(work: Promise<unknown>): Pending {
  const state: { ended: boolean; answer: Promise<unknown> } = { ended: false, answer: Promise.resolve() }
  state.answer = work
    .then(
      (answer) => answer ?? null,
      ({ code, message }: Error & { code?: string }) => `failed: ${code ?? message}`,
    )
    .finally(() => {
      state.ended = true
    })
  return state
}

/** Resolves once the statement has ended, or waits for somebody. */
async function settledInPostgres(observer: pg.Client, { client }: Twin, real: Pending): Promise<void> {
  await until(
    async () => {
      if (real.ended) return true
      const { rows } = await observer.query('SELECT cardinality(pg_blocking_pids($1)) AS blockers', [client.processID])
      return rows[0].blockers > 0
    },
    { what: 'a statement that ends or waits' },
  )
}

/**
 * Lets sessions of Postgres and of the model do the same in transactions until the dice end it: every answer has to be the same,
 * and who waits on one side waits on the other. In the end everything that is open is rolled back.
 */
export async function runTwins({ seed, clients, observer, database, run, operation }: TwinParts): Promise<TwinRun> {
  const dice = diceOf(seed)
  const timeline = new Timeline()
  const nothing = (): void => undefined
  let mistake: unknown
  const pool = modelPool({
    database,
    timeline,
    process: new SimulatedProcess(timeline),
    dice: diceOf(seed, 1),
    reachable: () => true,
    sessions: new Set(),
    tell: nothing,
    unknown: (caught) => {
      if (!(caught instanceof Error) || !('code' in caught)) mistake = caught
    },
    run,
  })
  const settle = (): Promise<void> => timeline.run(timeline.now + 100, () => false)
  const twins: Twin[] = []
  const sessions: ModelSession[] = []
  for (const client of clients) {
    const connecting = pool.connect()
    await settle()
    const session = await connecting
    const model: Tx = {
      query: async (text, values) => ({ rows: (await session.query(text, [...(values ?? [])])).rows as never[] }),
    }
    sessions.push(session)
    twins.push({ client, model, waiting: null, open: false })
  }
  let done = 0
  let waited = 0
  for (let step = 0; step < 60; step++) {
    const free = twins.filter(({ waiting }) => waiting === null)
    if (free.length === 0) break
    const twin = dice.pick(free)
    const fate = dice.next()
    const [what, work]: Operation = !twin.open
      ? ['BEGIN', (tx: Tx) => tx.query('BEGIN').then(() => null)]
      : fate < 0.18
        ? ['COMMIT', (tx: Tx) => tx.query('COMMIT').then(() => null)]
        : fate < 0.24
          ? ['ROLLBACK', (tx: Tx) => tx.query('ROLLBACK').then(() => null)]
          : operation(dice)
    twin.open = what !== 'COMMIT' && what !== 'ROLLBACK'
    // Who of two goes first that wait for the end of one transaction is chance in Postgres.
    if (!twin.open && free.length === 1) break
    const real = pending(work(fromPg(twin.client)))
    const model = pending(work(twin.model))
    twin.waiting = { what, real, model }
    await settle()
    if (mistake !== undefined) throw mistake
    let deadlock = false
    // Whoever was waiting may go on by this, and whoever waits for them.
    for (const each of [twin, ...twins.filter((other) => other !== twin)]) {
      if (each.waiting === null) continue
      const { what: asked, real: inPostgres, model: inModel } = each.waiting
      const told = `seed ${seed}, step ${step}: ${asked}`
      if (!inModel.ended) {
        await settledInPostgres(observer, each, inPostgres)
        expect(inPostgres.ended, `${told} waits in the model`).toBe(false)
        waited++
        continue
      }
      const answer = await inModel.answer
      deadlock ||= answer === 'failed: 40P01'
      if (deadlock) break
      // Who holds a lock for a moment only keeps nobody waiting.
      await until(() => inPostgres.ended, {
        what: `${told} to end in Postgres, as it does in the model`,
        deadlineMs: 30_000,
      })
      expect(await inPostgres.answer, told).toEqual(answer)
      each.waiting = null
      done++
    }
    if (deadlock) break
  }
  // Again, until it is heard: a session that has not begun to wait yet does not notice.
  const unanswered = () => twins.filter(({ waiting }) => waiting?.real.ended === false)
  await until(
    async () => {
      for (const { client } of unanswered()) await observer.query('SELECT pg_cancel_backend($1)', [client.processID])
      return unanswered().length === 0
    },
    { what: 'the statements that wait to end' },
  )
  await Promise.all(twins.map(({ client }) => client.query('ROLLBACK')))
  for (const session of sessions) session.cut()
  return { done, waited }
}
