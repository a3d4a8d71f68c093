import { OnceboxError, surviveConnectionLoss, takeClient } from '@oncebox/core'
import type { PooledClient, SessionPool } from './session.js'

/** Looks at a pooler. In transaction mode each of them shows it, unless others happen to change the sessions between. */
const looks = 5

const timeoutMs = 15_000

const pidQuery = { text: 'SELECT pg_backend_pid() AS pid', query_timeout: timeoutMs }

/**
 * Makes sure that connections of `pool` keep their session, before anything is set in one: behind a pooler in
 * transaction mode our settings (`synchronous_commit = off` is one) would stay in sessions that go to others.
 *
 * A direct connection is known by its backend's pid, which the server told when it let us in. Poolers tell another. Of
 * two connections that are open behind a pooler, both have a backend of their own, at all times, or sessions are not kept.
 *
 * Takes one connection, and two behind a pooler, and gives them back.
 *
 * @throws OnceboxError `SESSION_NOT_KEPT`, or the driver's error.
 */
export async function requireKeptSession(pool: SessionPool): Promise<void> {
  surviveConnectionLoss(pool)
  await withClient(pool, async (first) => {
    const pid = await pidOf(first)
    if (first.processID === pid) return
    await withClient(pool, async (second) => {
      for (let look = 0; look < looks; look++) {
        if ((await pidOf(second)) === pid || (await pidOf(first)) !== pid) throw sessionNotKept()
      }
    })
  })
}

async function pidOf(client: PooledClient): Promise<number | undefined> {
  const { rows } = await client.query(pidQuery)
  return (rows[0] as { readonly pid?: number } | undefined)?.pid
}

async function withClient<T>(pool: SessionPool, work: (client: PooledClient) => Promise<T>): Promise<T> {
  const client = await takeClient(pool, timeoutMs)
  let broken = true
  try {
    const result = await work(client)
    broken = false
    return result
  } finally {
    client.release(broken)
  }
}

function sessionNotKept(): OnceboxError {
  return new OnceboxError(
    'SESSION_NOT_KEPT',
    'The relay was pointed at a pooler that gives each transaction another session',
    {
      next: 'Give the relay a direct connection, or a pooler in session mode. Producers and consumers may stay on it.',
    },
  )
}
