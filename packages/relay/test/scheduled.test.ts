import { randomUUID } from 'node:crypto'
import { tables } from '@oncebox/schema'
import { postgresVersions } from '@oncebox/testkit/harness'
import { describe, expect, test } from 'vitest'
import { Lease } from '../dist/lease.js'
import { moveDue } from '../dist/scheduled.js'
import { Session } from '../dist/session.js'
import { windowSessionSettings } from '../dist/windowQuery.js'
import { type Bench, bench } from './relayBench.js'
import { sideTrackOn } from './sideTrackBench.js'

type Limits = Parameters<typeof moveDue>[3]

const lanes = 4
/** Relays need not have the same settings. */
const limits: readonly Limits[] = [500, 400, 37, 1_000].map((messages) => ({ messages, bytes: 1_000_000 }))

async function leases(at: Bench): Promise<Lease[]> {
  await at.query('select oncebox.change_lanes($1)', [lanes])
  await at.query(`update oncebox.relay_cursor set token = $1`, [randomUUID()])
  const held = await at.query<{ lane: number; epoch: string; token: string }>(
    'select lane::int, epoch::text, token::text from oncebox.relay_cursor order by lane',
  )
  return held.map((row) => new Lease({ ...row, leaseMs: 60_000, monotonicMs: () => 0, signOfLife: 0 }))
}

describe.each(postgresVersions)('messages that are due, on Postgres %i', (version) => {
  test('G1: lanes that move the same ones wait for each other and never crosswise, and all of them come once, in the order of their times', async () => {
    await using at = await bench({ version })
    const held = await leases(at)
    const open = () => Session.open(at.relayPool, { settings: windowSessionSettings, timeoutMs: 20_000 })
    const sessions = await Promise.all(held.map(open))
    const count = 2_000
    try {
      for (let round = 1; round <= 6; round++) {
        await at.query(
          `insert into oncebox.scheduled (due_at, id, source, topic, key, type)
          select timestamptz '2026-01-01' + make_interval(secs => n * 7919 % $1), gen_random_uuid(), 's', 't', 'k', 'x'
          from generate_series(1, $1::int) as n`,
          [count],
        )
        const due = await at.query('select id from oncebox.scheduled order by due_at, number')
        const work = held.map(async (lease, lane) => {
          for (let moved = 0; ; ) {
            const more = await moveDue(sessions[lane] as Session, tables(), lease, limits[lane] as Limits)
            moved += more ?? 0
            const left = await at.query('select from oncebox.scheduled limit 1')
            if (left.length === 0) return moved
          }
        })
        const moved = await Promise.all(work)
        expect(moved.reduce((sum, each) => sum + each)).toBe(count)
        expect(await at.query('select id from oncebox.outbox order by position')).toEqual(due)
        await at.query('truncate oncebox.outbox')
      }
    } finally {
      for (const session of sessions) session.close()
    }
  })
})

test('what is due is moved in order, a batch of messages or bytes at a time: the lease waits for it', async () => {
  await using at = await bench()
  const sizes = [1_000, 1_000, 1_000, 5_000, 10, 10, 10]
  for (const [index, bytes] of sizes.entries()) {
    await at.query(
      `insert into oncebox.scheduled (due_at, id, source, topic, key, type, payload)
      values (now() - interval '1 hour' + $1 * interval '1 s', gen_random_uuid(), 's', 't', 'k' || $1, 'x', convert_to(repeat('x', $2), 'UTF8'))`,
      [index, bytes],
    )
  }
  await using side = await sideTrackOn(at)
  const moved: (number | null)[] = []
  for (let left = true; left; left = moved.at(-1) !== 0) {
    moved.push(await moveDue(side.session, tables(), side.lease, { messages: 2, bytes: 2_500 }))
  }
  expect(moved).toEqual([2, 1, 1, 2, 1, 0])
  const keys = await at.query('select key from oncebox.outbox order by position')
  expect(keys.map(({ key }) => key)).toEqual(sizes.map((_, index) => `k${index}`))
})

test('what was written long ago and is due now is as old as its move: a leaf is kept for as long as its last row', async () => {
  await using at = await bench()
  await at.query(
    `insert into oncebox.scheduled (due_at, created_at, id, source, topic, key, type)
    values (now(), now() - interval '10 days', gen_random_uuid(), 's', 't', 'k', 'x')`,
  )
  await using side = await sideTrackOn(at)
  expect(await moveDue(side.session, tables(), side.lease, { messages: 10, bytes: 10_000 })).toBe(1)
  expect(await at.query(`select created_at > now() - interval '1 minute' as young from oncebox.outbox`)).toEqual([
    { young: true },
  ])
})
