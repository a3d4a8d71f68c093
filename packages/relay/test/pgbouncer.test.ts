import { defaultRoles } from '@oncebox/schema'
import { startPgbouncer, until } from '@oncebox/testkit'
import { pgbouncerMissing, urlAs } from '@oncebox/testkit/harness'
import pg from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import { bench } from './relayBench.js'

function poolTo(url: string, max: number): pg.Pool {
  const pool = new pg.Pool({ connectionString: url, max })
  pool.on('error', () => undefined)
  onTestFinished(() => pool.end())
  return pool
}

describe.skipIf(pgbouncerMissing())('a relay behind pgbouncer', () => {
  test.each([
    ['quiet', 0, '0'],
    ['in use', 4, '0'],
    ['in use, and taking its sessions in turn', 4, '1'],
  ])('in transaction mode, %s, is refused and leaves nothing in the sessions', async (_, users, inTurn) => {
    await using at = await bench()
    await using pooler = await startPgbouncer({ url: at.database.url, settings: { server_round_robin: inTurn } })
    const url = pooler.through(at.database.url)
    const service = poolTo(url, 4)
    const state = `select current_setting('application_name') as name, current_setting('synchronous_commit') as commits,
      current_setting('enable_seqscan') as scans, pg_backend_pid() as pid`
    const seen = new Map<number, object>()
    const look = async () => {
      const { pid, ...settings } = (await service.query(state)).rows[0]
      seen.set(pid, settings)
    }
    let going = true
    const traffic = Promise.all(
      Array.from({ length: users }, async () => {
        while (going) await look()
      }),
    )
    if (users > 0) await until(() => seen.size > 1, { what: 'two sessions in use' })

    await at.emit('t', 'k', '1')
    const relay = at.relay({ pool: poolTo(url, 5) })
    await expect(relay.start()).rejects.toMatchObject({ code: 'SESSION_NOT_KEPT', retryable: false })
    going = false
    await traffic
    await look()
    const untouched = { name: '', commits: 'on', scans: 'on' }
    expect([...seen.values()]).toEqual(Array.from(seen, () => untouched))
    expect(at.values('t')).toEqual([])
    expect(relay.state).toBe('stopped')
  })

  test('in session mode, publishes', async () => {
    await using at = await bench()
    await using pooler = await startPgbouncer({
      url: urlAs(at.database.url, defaultRoles().relay),
      poolMode: 'session',
      poolSize: 10,
    })
    await at.emit('t', 'k', '1')
    const pool = new pg.Pool({ connectionString: pooler.through(at.database.url), max: 5 })
    expect(await at.relay({ pool }).drain()).toEqual({ published: 1, parked: 0 })
    await pool.end()
  })
})
