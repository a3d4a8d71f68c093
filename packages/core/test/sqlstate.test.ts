import { createServer } from 'node:net'
import { classifyDatabaseError, classifyTransactionError, OnceboxError, sqlState } from '@oncebox/core'
import { fastSettings, type PostgresServer, startPostgres, until } from '@oncebox/testkit'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'

let server: PostgresServer
beforeAll(async () => {
  server = await startPostgres({ settings: fastSettings })
})
afterAll(() => server?.remove())

const clients: pg.Client[] = []
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.end().catch(() => {})))
})

async function connect(config: pg.ClientConfig = {}): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: server.url, ...config })
  client.on('error', () => {})
  clients.push(client)
  await client.connect()
  return client
}

async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error('did not fail')
    },
    (error) => error,
  )
}

const backendPid = async (client: pg.Client): Promise<number> =>
  (await client.query('select pg_backend_pid() as pid')).rows[0].pid

describe('errors of a real Postgres', () => {
  it('a deadlock is a conflict', async () => {
    const [one, two] = [await connect(), await connect()]
    await one.query("set deadlock_timeout = '10ms'")
    await two.query("set deadlock_timeout = '10ms'")
    for (const client of [one, two]) await client.query('begin')
    await one.query('select pg_advisory_xact_lock(1)')
    await two.query('select pg_advisory_xact_lock(2)')
    const results = await Promise.allSettled([
      one.query('select pg_advisory_xact_lock(2)').finally(() => one.query('rollback')),
      two.query('select pg_advisory_xact_lock(1)').finally(() => two.query('rollback')),
    ])
    const error = results.find((result) => result.status === 'rejected')?.reason
    expect(sqlState(error)).toBe('40P01')
    expect(classifyDatabaseError(error)).toBe('conflict')
  })

  it('a serialization failure is a conflict, also as a cause of a cause', async () => {
    const [one, two] = [await connect(), await connect()]
    await one.query('create table counter (n int); insert into counter values (0)')
    for (const client of [one, two]) {
      await client.query('begin isolation level repeatable read')
      await client.query('select * from counter')
    }
    await one.query('update counter set n = n + 1')
    await one.query('commit')
    const error = await failure(two.query('update counter set n = n + 1'))
    expect(sqlState(error)).toBe('40001')
    expect(classifyDatabaseError(error)).toBe('conflict')
    expect(classifyDatabaseError(new Error('a', { cause: new Error('b', { cause: error }) }))).toBe('conflict')
  })

  it('a lock_timeout is a lockTimeout, a statement_timeout the work at fault', async () => {
    const [one, two] = [await connect(), await connect({ lock_timeout: 1, statement_timeout: 5_000 })]
    await one.query('select pg_advisory_lock(7)')
    expect(classifyDatabaseError(await failure(two.query('select pg_advisory_lock(7)')))).toBe('lockTimeout')
    await two.query("set lock_timeout = 0; set statement_timeout = '1ms'")
    const error = await failure(two.query('select pg_advisory_lock(7)'))
    expect(sqlState(error)).toBe('57014')
    expect(classifyDatabaseError(error)).toBe('other')
  })

  it('a statement after a swallowed error finds the transaction aborted', async () => {
    const client = await connect()
    await client.query('begin')
    expect(classifyDatabaseError(await failure(client.query('select 1/0')))).toBe('other')
    expect(classifyDatabaseError(await failure(client.query('select 1')))).toBe('aborted')
  })

  it('a read-only server is unavailable, a unique violation the work at fault', async () => {
    const client = await connect()
    await client.query('create table once (id int primary key); insert into once values (1)')
    expect(classifyDatabaseError(await failure(client.query('insert into once values (1)')))).toBe('other')
    await client.query('set default_transaction_read_only = on')
    const error = await failure(client.query('insert into once values (2)'))
    expect(sqlState(error)).toBe('25006')
    expect(classifyDatabaseError(error)).toBe('unavailable')
  })

  it('a terminated backend is unavailable: waiting, idle, and at every later statement', async () => {
    const [killer, waiting, idle] = [await connect(), await connect(), await connect()]
    await killer.query('select pg_advisory_lock(8)')
    const pids = [await backendPid(waiting), await backendPid(idle)]
    const blocked = failure(waiting.query('select pg_advisory_lock(8)'))
    const waits = 'select 1 from pg_stat_activity where pid = $1 and wait_event_type is not null and state = $2'
    await until(async () => (await killer.query(waits, [pids[0], 'active'])).rowCount === 1, { what: 'the lock wait' })
    const ended = new Promise((resolve) => idle.once('end', resolve))
    await killer.query('select pg_terminate_backend(pid) from unnest($1::int[]) as pid', [pids])
    const error = await blocked
    expect(sqlState(error)).toBe('57P01')
    expect(classifyDatabaseError(error)).toBe('unavailable')
    await ended
    const later = await failure(idle.query('select 1'))
    expect(sqlState(later)).toBeUndefined()
    expect(classifyDatabaseError(later)).toBe('unavailable')
  })

  it('a client that was closed, while a statement runs or before one, is unavailable', async () => {
    const [holder, client] = [await connect(), await connect()]
    await holder.query('select pg_advisory_lock(9)')
    const running = failure(client.query('select pg_advisory_lock(9)'))
    const closed = client.end()
    expect(classifyDatabaseError(await failure(client.query('select 1')))).toBe('unavailable')
    await holder.query('select pg_advisory_unlock(9)')
    await closed
    await Promise.race([running, closed])
  })

  it('a session that was idle in its transaction for too long is the work at fault', async () => {
    const client = await connect({ idle_in_transaction_session_timeout: 1 })
    const told = new Promise<Error>((resolve) => client.once('error', resolve))
    await client.query('begin')
    const error = await told
    expect(sqlState(error)).toBe('25P03')
    expect(classifyDatabaseError(error)).toBe('other')
    const lost = new OnceboxError('DATABASE_UNREACHABLE', 'lost', { cause: error })
    expect(classifyTransactionError(lost)).toBe('other')
  })

  it('too many connections are unavailable', async () => {
    const admin = await connect()
    await admin.query('create role few login connection limit 0')
    const error = await failure(connect({ connectionString: server.url.replace('postgres@', 'few@') }))
    expect(sqlState(error)).toBe('53300')
    expect(classifyDatabaseError(error)).toBe('unavailable')
  })

  it('a server that is shut down, that is down, and that comes up is unavailable', async () => {
    const own = await startPostgres({ settings: fastSettings })
    try {
      const config = { connectionString: own.url }
      const [holder, client] = [await connect(config), await connect(config)]
      await holder.query('select pg_advisory_lock(1)')
      const running = failure(client.query('select pg_advisory_lock(1)'))
      await own.stop()
      expect(classifyDatabaseError(await running)).toBe('unavailable')
      const refused = await failure(connect(config))
      expect(refused).toMatchObject({ code: 'ECONNREFUSED' })
      expect(classifyDatabaseError(refused)).toBe('unavailable')
      await own.start()
      const crashed = await connect(config)
      const pid = await backendPid(crashed)
      expect(pid).toBeGreaterThan(0)
      await own.crash()
      expect(classifyDatabaseError(await failure(crashed.query('select 1')))).toBe('unavailable')
    } finally {
      await own.remove()
    }
  })

  it('a connection that the pool cannot give in time, or that never answers, is unavailable', async () => {
    const pool = new pg.Pool({ connectionString: server.url, max: 1 })
    const client = await pool.connect()
    pool.options.connectionTimeoutMillis = 500
    const waited = await failure(pool.connect())
    client.release()
    await pool.end()
    expect(classifyDatabaseError(waited)).toBe('unavailable')

    const sockets = new Set<{ destroy(): void }>()
    const silent = createServer((socket) => sockets.add(socket)).listen(0, '127.0.0.1')
    await new Promise((resolve) => silent.once('listening', resolve))
    const { port } = silent.address() as { port: number }
    const config = { host: '127.0.0.1', port, user: 'x', database: 'x', connectionTimeoutMillis: 50 }
    const single = new pg.Client(config)
    single.on('error', () => {})
    const pooled = new pg.Pool(config)
    const errors = [await failure(single.connect()), await failure(pooled.connect())]
    await pooled.end()
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => silent.close(resolve))
    expect(errors.map(classifyDatabaseError)).toEqual(['unavailable', 'unavailable'])
  })

  it('a statement that gets no answer in time is unavailable', async () => {
    const client = await connect({ query_timeout: 100 })
    const error = await failure(client.query('select pg_sleep(20)'))
    expect(classifyDatabaseError(error)).toBe('unavailable')
    expect(classifyTransactionError(error)).toBe('other')
  })
})

describe('errors that are not of Postgres', () => {
  it('have no SQLSTATE, though EPIPE looks like one', () => {
    const pipe = Object.assign(new Error('write EPIPE'), { code: 'EPIPE', syscall: 'write', errno: -32 })
    expect(sqlState(pipe)).toBeUndefined()
    expect(classifyDatabaseError(pipe)).toBe('unavailable')
    for (const value of [null, undefined, 'x', {}, new Error('Connection terminated by the bank')]) {
      expect(sqlState(value)).toBeUndefined()
      expect(classifyDatabaseError(value)).toBe('other')
    }
  })

  it("are the work's own fault inside a transaction: its HTTP call that was refused is not a lost database", () => {
    const socket = Object.assign(new Error('connect'), { code: 'ECONNREFUSED', syscall: 'connect' })
    const fetchFailed = new TypeError('fetch failed', { cause: socket })
    expect(classifyTransactionError(fetchFailed)).toBe('other')
    expect(classifyDatabaseError(fetchFailed)).toBe('unavailable')
    const lost = new OnceboxError('DATABASE_UNREACHABLE', 'lost', { cause: fetchFailed })
    expect(classifyTransactionError(lost)).toBe('unavailable')
    expect(classifyTransactionError(new OnceboxError('TRANSACTION_ABORTED', 'x'))).toBe('aborted')
  })

  it('end the walk along causes that form a ring', () => {
    const ring = new Error('a')
    ring.cause = ring
    expect(sqlState(ring)).toBeUndefined()
  })
})
