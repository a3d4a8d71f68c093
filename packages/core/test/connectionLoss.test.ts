import { surviveConnectionLoss } from '@oncebox/core'
import { keepAliveAsksInMs, keepAliveUnknown, testDatabase } from '@oncebox/testkit/harness'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'

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
    return keepAliveAsksInMs('local', stream.localPort)[0] ?? null
  } finally {
    client.release()
  }
}

test.skipIf(keepAliveUnknown())('a connection whose other end vanishes is noticed, though nobody says so', async () => {
  const askedIn = await asksOf({})
  expect(askedIn).toBeGreaterThan(0)
  expect(askedIn).toBeLessThanOrEqual(10_000)
})

test.skipIf(keepAliveUnknown())('what the owner of a pool wants of keepalive stays', async () => {
  expect(await asksOf({ keepAlive: false })).toBeNull()
  expect(await asksOf({ keepAlive: true, keepAliveInitialDelayMillis: 60_000 })).toBeGreaterThan(30_000)
})
