import { tables } from '@oncebox/schema'
import { postgresVersions } from '@oncebox/testkit/harness'
import { describe, expect, test } from 'vitest'
import { cursorSessionSettings, ParkedTable } from '../dist/parked.js'
import type { ParkedScope } from '../dist/parkedGroups.js'
import { Session } from '../dist/session.js'
import { type Bench, bench } from './relayBench.js'
import { sideTrackOn } from './sideTrackBench.js'

const columns = 'position, created_at, id, lane, reason, source, topic, key, type, payload'

/** Messages aside of one topic, `count` more, behind those that are there. */
function park(at: Bench, topic: string, reason: string, key: string, count: number): Promise<unknown> {
  return at.query(
    `INSERT INTO oncebox.parked (${columns})
     SELECT coalesce((SELECT max(position) FROM oncebox.parked), 0) + n, now(), gen_random_uuid(), 0, $2, 'shop', $1,
       ${key}, 'thing.happened', '\\x0102' FROM generate_series(1, $3::int) AS n`,
    [topic, reason, count],
  )
}

describe.each(postgresVersions)('what waits aside, on Postgres %i', (version) => {
  test.each(['never analyzed', 'analyzed'])(
    'a page is read without what waits of other topics and keys, %s',
    async (state) => {
      await using at = await bench({ version })
      await at.query('ALTER TABLE oncebox.parked SET (autovacuum_enabled = false)')
      await park(at, 'paused', 'PAUSED', `'k' || n`, 8_000)
      await park(at, 'missing', 'TOPIC_MISSING', `'k' || n`, 1_000)
      await park(at, 'refused', 'RECORD_REFUSED', `'hot'`, 2_000)
      await park(at, 'refused', 'RECORD_REFUSED', `'warm'`, 1_000)
      await park(at, 'refused', 'RECORD_REFUSED', 'NULL', 1_000)
      if (state === 'analyzed') await at.query('ANALYZE oncebox.parked')
      await using side = await sideTrackOn(at)
      // As the session that moves what waits aside.
      const session = await Session.open(at.relayPool, { timeoutMs: 20_000, settings: cursorSessionSettings })
      const table = new ParkedTable(session, tables(), side.lease)
      // What the session read before and has not reported yet is in the counter too; inside a transaction nothing is reported.
      const counter = async () => {
        const [row] = await session.rows(
          `SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relid = 'oncebox.parked'::regclass`,
        )
        return Number(row?.[0])
      }
      const rowsRead = async (scope: ParkedScope, after: number) => {
        await session.rows('BEGIN')
        const before = await counter()
        const { entries } = await table.page(scope, after, { rows: 500, bytes: 1_000_000 })
        const read = (await counter()) - before
        await session.rows('ROLLBACK')
        expect(entries.length).toBeGreaterThan(50)
        const positions = entries.map(({ position }) => position)
        expect(positions[0]).toBeGreaterThan(after)
        expect(positions).toEqual(positions.toSorted((one, other) => one - other))
        return read
      }
      try {
        expect(await rowsRead({ kind: 'topic', topic: 'missing' }, 0)).toBeLessThan(600)
        expect(await rowsRead({ kind: 'topic', topic: 'missing' }, 8_500)).toBeLessThan(600)
        expect(await rowsRead({ kind: 'partition', topic: 'refused', partition: 0 }, 0)).toBeLessThan(600)
        expect(await rowsRead({ kind: 'key', topic: 'refused', key: 'warm' }, 0)).toBeLessThan(600)
        expect(await rowsRead({ kind: 'key', topic: 'refused', key: 'warm' }, 11_500)).toBeLessThan(600)
        expect(await rowsRead({ kind: 'keyless', topic: 'refused' }, 0)).toBeLessThan(600)
      } finally {
        session.close()
      }
    },
  )

  test('of a topic that waits whole, its keys are not read into memory at the start of a term', async () => {
    await using at = await bench({ version })
    await park(at, 'paused', 'PAUSED', `'k' || n`, 1_000)
    await park(at, 'refused', 'RECORD_REFUSED', `'k' || n`, 2)
    await park(at, 'refused', 'PAUSED', `'k' || n`, 3)
    await using side = await sideTrackOn(at)
    const table = new ParkedTable(side.session, tables(), side.lease)
    const loaded = await table.load(side.session)
    const names = loaded.map(({ topic, key, code }) => `${topic} ${key} ${code}`)
    // The reason of a key is that of its first message.
    expect(names.sort()).toEqual([
      'paused null PAUSED',
      'refused k1 RECORD_REFUSED',
      'refused k2 RECORD_REFUSED',
      'refused null PAUSED',
    ])
  })
})
