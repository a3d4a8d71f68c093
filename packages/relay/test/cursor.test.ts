import { tables as tablesOf } from '@oncebox/schema'
import { postgresVersions } from '@oncebox/testkit/harness'
import { describe, expect, test } from 'vitest'
import { type AcquireOptions, acquire, persist, release, renew } from '../dist/cursor.js'
import { Session } from '../dist/session.js'
import { bench } from './relayBench.js'

const tables = tablesOf()
const own: AcquireOptions = { lane: 0, leaseMs: 60_000, holder: 'first', ownToken: null, monotonicMs: () => 0 }

describe.each(postgresVersions)('the cursor on Postgres %i', (version) => {
  test('G1: is neither moved, kept nor given back under an epoch that is over', async () => {
    await using at = await bench({ version })
    const session = await Session.open(at.database.pool, { timeoutMs: 10_000 })
    try {
      const first = await acquire(session, tables, own)
      await at.query(`update oncebox.relay_cursor set expires_at = clock_timestamp() - interval '1 second'`)
      const second = await acquire(session, tables, { ...own, holder: 'second' })
      if (first === null || second === null) throw new Error('the lane was not to be had')
      const row = () => at.query('select * from oncebox.relay_cursor')
      const held = await row()

      expect(await persist(session, tables, first.lease, { last: '9:9:', page: null }, 60_000)).toBe(false)
      expect(await renew(session, tables, first.lease, 60_000)).toBe(false)
      await release(session, tables, first.lease)
      expect(await row()).toEqual(held)
      expect(await persist(session, tables, second.lease, { last: '9:9:', page: null }, 60_000)).toBe(true)
    } finally {
      session.close()
    }
  })
})
