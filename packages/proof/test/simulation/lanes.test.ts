import { laneOfKey, migrate } from '@oncebox/schema'
import { type PostgresServer, startPostgres } from '@oncebox/testkit'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Dice, diceOf } from '../../src/simulation/dice.js'
import { laneOf, runChangeLanes } from '../../src/simulation/lanes.js'
import { ModelDatabase, newLane } from '../../src/simulation/modelDatabase.js'
import { idOf, type OutboxRow } from '../../src/simulation/outboxRow.js'
import { type Snapshot, snapshotText } from '../../src/simulation/snapshots.js'

// What the model says of lanes against Postgres: which keys are whose, and what a change of their number leaves behind.

const keys = ['k1', 'k2', 'k3', null]

let server: PostgresServer
let client: pg.Client

beforeAll(async () => {
  server = await startPostgres({ settings: { fsync: 'off' } })
  client = new pg.Client({ connectionString: server.url })
  await client.connect()
  await migrate(client)
})

afterAll(async () => {
  await client.end()
  await server.remove()
})

test('a key is in the lane in which Postgres has it', async () => {
  for (const lanes of [1, 2, 3, 4, 64]) {
    for (const key of keys) {
      const { rows } = await client.query(`SELECT ${laneOfKey('$1::text', lanes)}::int AS lane`, [key])
      expect(laneOf(key, lanes), `${key} of ${lanes}`).toBe(rows[0].lane)
    }
  }
})

function snapshotAtRandom(dice: Dice): string {
  const xmax = 5 + dice.below(4)
  const xip = Array.from({ length: xmax - 1 }, (_, xid) => xid + 1).filter(() => dice.chance(0.2))
  const snapshot: Snapshot = { xmin: xip[0] ?? xmax, xmax, xip }
  return snapshotText(snapshot)
}

interface Standing {
  readonly lane: number
  readonly epoch: number
  readonly held: boolean
  readonly last: string
  readonly upper: string | null
  readonly position: string | null
}

/** Lanes that stand in one window, or each where chance put it. */
function lanesAtRandom(dice: Dice): Standing[] {
  const together = dice.chance(0.5) ? { last: snapshotAtRandom(dice), upper: dice.chance(0.5) ? '9:9:' : null } : null
  return Array.from({ length: 1 + dice.below(3) }, (_, lane) => {
    const upper = together === null ? (dice.chance(0.5) ? '9:9:' : null) : together.upper
    const position = upper !== null ? String(dice.below(3)) : null
    const last = together?.last ?? snapshotAtRandom(dice)
    return { lane, epoch: dice.below(5), held: dice.chance(0.7), last, upper, position }
  })
}

async function inPostgres(
  standing: readonly Standing[],
  parked: readonly (OutboxRow & { lane: number })[],
  wanted: number,
) {
  await client.query('TRUNCATE oncebox.relay_cursor, oncebox.parked RESTART IDENTITY')
  for (const { lane, epoch, held, last, upper, position } of standing) {
    await client.query(
      `INSERT INTO oncebox.relay_cursor (lane, epoch, token, holder, last_snapshot, upper_snapshot, page_position)
       VALUES ($1, $2, CASE WHEN $3 THEN gen_random_uuid() END, 'me', $4, $5, $6)`,
      [lane, epoch, held, last, upper, position],
    )
  }
  for (const { lane, number, key, position } of parked) {
    await client.query(
      `INSERT INTO oncebox.parked (lane, reason, position, created_at, id, source, topic, key, type)
       VALUES ($1, 'PAUSED', $2, now(), $3, 'shop', 'a', $4, 'made')`,
      [lane, position, idOf(number), key],
    )
  }
  const changed = await client.query('SELECT lanes_before, exact FROM oncebox.change_lanes($1)', [wanted])
  const cursors = await client.query(
    `SELECT lane::int, epoch::int, token IS NOT NULL AS held, last_snapshot::text AS last, upper_snapshot::text AS upper,
       page_position::text AS position FROM oncebox.relay_cursor ORDER BY lane`,
  )
  const lanes = await client.query('SELECT number::int, lane::int FROM oncebox.parked ORDER BY number')
  const { lanes_before: lanesBefore, exact } = changed.rows[0]
  return { lanesBefore, exact, cursors: cursors.rows, parked: lanes.rows }
}

async function inModel(
  standing: readonly Standing[],
  parked: readonly (OutboxRow & { lane: number })[],
  wanted: number,
) {
  const database = new ModelDatabase(0)
  const before = database.begin()
  for (const { lane, held, ...row } of standing) {
    const { epoch, last, upper, position } = row
    const cursor = { ...newLane, token: held ? 'token' : null, epoch, last, upper, position }
    database.cursors.put(String(lane), cursor, before)
  }
  for (const { lane, ...row } of parked) database.park(before, lane, row, 'PAUSED')
  database.commit(before)
  const transaction = database.begin()
  const changed = await runChangeLanes(database, transaction, wanted)
  database.commit(transaction)
  const cursors = database.cursors
    .entries(transaction)
    .map(([lane, { epoch, token, last, upper, position }]) => ({
      lane: Number(lane),
      epoch,
      held: token !== null,
      last,
      upper,
      position,
    }))
    .sort((a, b) => a.lane - b.lane)
  const lanes = database.parked.entries(transaction).map(([number, { lane }]) => ({ number: Number(number), lane }))
  return { ...changed, cursors, parked: lanes.sort((a, b) => a.number - b.number) }
}

test('a change of the number of lanes leaves in the model what it leaves in Postgres', async () => {
  let changed = 0
  for (let seed = 1; seed <= 60; seed++) {
    const dice = diceOf(seed)
    const standing = lanesAtRandom(dice)
    const wanted = 1 + dice.below(3)
    const parked = keys.map((key, number) => {
      const row = { number, topic: 'a', key, position: number + 1, xid: 1_000, slot: 0, createdAt: 0 }
      return { ...row, lane: laneOf(key, standing.length) }
    })
    const expected = await inPostgres(standing, parked, wanted)
    expect(await inModel(standing, parked, wanted), `seed ${seed}`).toEqual(expected)
    if (expected.lanesBefore !== wanted) changed++
  }
  expect(changed).toBeGreaterThan(20)
})
