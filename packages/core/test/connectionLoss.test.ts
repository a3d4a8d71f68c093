import { readFileSync } from 'node:fs'
import { platform } from 'node:os'
import { surviveConnectionLoss } from '@oncebox/core'
import { testDatabase } from '@oncebox/testkit/harness'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'

/** Milliseconds until the kernel asks the other end whether it is there; null when it never does (proc(5), `net/tcp`). */
function asksInMs(localPort: number): number | null {
  const line = readFileSync('/proc/self/net/tcp', 'utf8')
    .split('\n')
    .map((each) => each.trim().split(/\s+/))
    .find(([, local]) => local?.endsWith(`:${localPort.toString(16).toUpperCase().padStart(4, '0')}`))
  const [kind, ticks = ''] = line?.[5]?.split(':') ?? []
  return kind === '02' ? Number.parseInt(ticks, 16) * 10 : null
}

/** A connection of a pool that is to survive, in use, and with nothing on its way. */
async function asksOf(config: pg.PoolConfig): Promise<number | null> {
  const database = await testDatabase()
  onTestFinished(() => database.drop())
  const pool = new pg.Pool({ connectionString: database.url, ...config })
  onTestFinished(() => pool.end())
  surviveConnectionLoss(pool)
  const client = await pool.connect()
  try {
    await client.query('SELECT 1')
    const { stream } = (client as unknown as { connection: { stream: { localPort: number } } }).connection
    return asksInMs(stream.localPort)
  } finally {
    client.release()
  }
}

test.skipIf(platform() !== 'linux')(
  'a connection whose other end vanishes is noticed, though nobody says so',
  async () => {
    const askedIn = await asksOf({})
    expect(askedIn).toBeGreaterThan(0)
    expect(askedIn).toBeLessThanOrEqual(10_000)
  },
)

test.skipIf(platform() !== 'linux')('what the owner of a pool wants of keepalive stays', async () => {
  expect(await asksOf({ keepAlive: false })).toBeNull()
  expect(await asksOf({ keepAlive: true, keepAliveInitialDelayMillis: 60_000 })).toBeGreaterThan(30_000)
})
