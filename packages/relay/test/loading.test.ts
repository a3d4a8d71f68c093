import { tables } from '@oncebox/schema'
import { until } from '@oncebox/testkit'
import { memoryTransport } from '@oncebox/transport/memory'
import { expect, test } from 'vitest'
import { acquire } from '../dist/cursor.js'
import { ParkedTable } from '../dist/parked.js'
import { Session } from '../dist/session.js'
import { type Bench, bench, published } from './relayBench.js'

/** Whoever reads what waits aside waits until this is called: as if it were very much. */
async function holdParked(at: Bench): Promise<() => Promise<unknown>> {
  const holder = await at.open()
  await holder.query('BEGIN; LOCK TABLE oncebox.parked IN ACCESS EXCLUSIVE MODE')
  return () => holder.query('ROLLBACK')
}

const readers = (at: Bench) =>
  at.query(`SELECT FROM pg_locks WHERE relation = 'oncebox.parked'::regclass AND NOT granted`)

test('what waits aside may take longer to read than any other statement', async () => {
  await using at = await bench()
  const release = await holdParked(at)
  const session = await Session.open(at.relayPool, { timeoutMs: 2_000 })
  try {
    const own = { lane: 0, leaseMs: 60_000, holder: 'test', ownToken: null, monotonicMs: () => performance.now() }
    const acquired = await acquire(session, tables(), own)
    if (acquired === null) throw new Error('the lane was held')
    const loading = new ParkedTable(session, tables(), acquired.lease).load(session)
    // Longer than any other statement of this session may take.
    const late = new Promise((resolve) => setTimeout(resolve, 3_500))
    expect(await Promise.race([loading.catch(() => 'given up'), late])).toBeUndefined()
    await release()
    expect(await loading).toEqual([])
  } finally {
    session.close()
  }
})

test('G1: a relay that reads for long what waits aside keeps its lane meanwhile, and publishes then', async () => {
  await using at = await bench({ transport: memoryTransport({ missingTopics: 'refuse' }) })
  await at.emit('missing', 'k', '1')
  expect(await at.relay().drain()).toEqual({ published: 0, parked: 1 })
  const release = await holdParked(at)
  const relay = at.relay({ leaseMs: 4_000 })
  await relay.start()
  const [before] = await at.query<{ epoch: string; expires_at: Date }>(
    'SELECT epoch, expires_at FROM oncebox.relay_cursor',
  )
  const standby = at.relay({ leaseMs: 4_000 })
  await standby.start()
  await until(async () => (await readers(at)).length > 0, { what: 'the relay to read' })
  const renewed = async () => {
    const [now] = await at.query<{ epoch: string; late: boolean }>(
      `SELECT epoch, expires_at > $1::timestamptz + interval '2 seconds' AS late FROM oncebox.relay_cursor`,
      [before?.expires_at],
    )
    expect(now?.epoch).toBe(before?.epoch)
    return now?.late === true
  }
  await until(renewed, { what: 'the lease to be renewed' })
  at.transport.createTopic('missing')
  await release()
  await published(at, 'missing', ['1'])
  expect(relay.state).toBe('holder')
  expect(standby.state).toBe('standby')
})

test('a stop cuts the reading of what waits aside short, and gives the lane back', async () => {
  await using at = await bench()
  const release = await holdParked(at)
  const relay = at.relay()
  await relay.start()
  await until(async () => (await readers(at)).length > 0, { what: 'the relay to read' })
  await relay.stop({ deadlineMs: 4_000 })
  expect(await at.query('SELECT holder FROM oncebox.relay_cursor')).toEqual([{ holder: null }])
  await release()
})
