import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { type PostgresServer, startPostgres, startStandby, until } from '@oncebox/testkit'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'

const launchable = [
  { version: 18, source: 'npm' },
  { version: 15, source: 'npm' },
  { version: 15, source: 'system' },
] as const

const clients: pg.Client[] = []

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  // The server goes away under it; that is what these tests are about.
  client.on('error', () => undefined)
  await client.connect()
  clients.push(client)
  return client
}

afterEach(async () => {
  await Promise.allSettled(clients.splice(0).map((client) => client.end()))
})

describe.each(launchable)('Postgres $version from $source', ({ version, source }) => {
  let server: PostgresServer
  const missing = source === 'system' && !existsSync(`/usr/lib/postgresql/${version}/bin/postgres`)

  beforeAll(async () => {
    // With the usual 200 ms the log writer might save the commit that a test wants lost.
    if (!missing) server = await startPostgres({ version, source, settings: { wal_writer_delay: '10s' } })
  })
  afterAll(() => server?.remove())

  test.skipIf(missing)('starts with the asked version, durable and without root', async () => {
    const client = await connect(server.url)
    const { rows } = await client.query(
      `select current_setting('server_version_num')::int / 10000 as version, current_setting('fsync') as fsync,
              current_setting('max_connections') as connections, current_setting('wal_level') as wal`,
    )
    expect(rows).toEqual([{ version, fsync: 'on', connections: '200', wal: 'logical' }])
    expect(execFileSync('ps', ['-o', 'uid=', '-p', String(server.pid)], { encoding: 'utf8' }).trim()).not.toBe('0')
  })

  test.skipIf(missing)('a crash keeps what was committed, loses what was not, and ends every session', async () => {
    const url = await server.createDatabase()
    const client = await connect(url)
    await client.query('create table note (text text)')
    await client.query(`insert into note values ('committed')`)
    await client.query('begin')
    await client.query(`insert into note values ('open')`)

    const before = server.pid
    await server.crash()
    expect(server.pid).toBeUndefined()
    await expect(client.query('select 1')).rejects.toThrow()

    await server.start()
    expect(server.pid).not.toBe(before)
    const again = await connect(url)
    expect((await again.query('select text from note')).rows).toEqual([{ text: 'committed' }])
    expect(await server.log()).toMatch(/not properly shut down/)
  })

  test.skipIf(missing)('a crash loses commits that did not wait for the log', async () => {
    const client = await connect(await server.createDatabase())
    await client.query('create table note (text text)')
    await client.query('set synchronous_commit = off')
    const { rows } = await client.query(
      `insert into note values ('unwritten') returning pg_current_wal_flush_lsn() < pg_current_wal_insert_lsn() as behind`,
    )
    expect(rows).toEqual([{ behind: true }])
    await server.crash()
    await server.start()
    const again = await connect(server.urlOf(client.database as string))
    expect((await again.query('select * from note')).rows).toEqual([])
  })

  test.skipIf(missing)('stop() and start() keep port and data; dropDatabase() takes names and urls', async () => {
    const url = await server.createDatabase('kept')
    const port = server.port
    await server.stop()
    await server.start()
    expect(server.port).toBe(port)
    await connect(url)
    await server.dropDatabase(url)
    await server.dropDatabase('kept')
    await expect(connect(url)).rejects.toMatchObject({ code: '3D000' })
  })

  test.skipIf(missing)('a standby streams, refuses writes, and accepts them when promoted', async () => {
    const url = await server.createDatabase()
    const primary = await connect(url)
    await primary.query('create table note (text text)')
    const standby = await startStandby(server)
    try {
      const reader = await connect(url.replace(`:${server.port}/`, `:${standby.port}/`))
      await primary.query(`insert into note values ('streamed')`)
      await until(async () => (await reader.query('select text from note')).rows.length === 1, { what: 'the row' })
      await expect(reader.query(`insert into note values ('refused')`)).rejects.toMatchObject({ code: '25006' })
      await standby.promote()
      await reader.query(`insert into note values ('promoted')`)
      expect((await primary.query('select text from note')).rows).toEqual([{ text: 'streamed' }])
    } finally {
      await standby.remove()
    }
  })
})

test('two clusters differ in their system identifier', async () => {
  const identifiers: string[] = []
  for (const _ of [1, 2]) {
    const server = await startPostgres()
    try {
      const client = await connect(server.url)
      identifiers.push(
        (await client.query('select system_identifier from pg_control_system()')).rows[0].system_identifier,
      )
    } finally {
      await server.remove()
    }
    expect(existsSync(server.dataDirectory)).toBe(false)
  }
  expect(identifiers[0]).not.toBe(identifiers[1])
})

test('a wrong setting is reported with the end of the log', async () => {
  await expect(startPostgres({ settings: { wal_level: 'nonsense' } })).rejects.toThrow(/wal_level/)
})
