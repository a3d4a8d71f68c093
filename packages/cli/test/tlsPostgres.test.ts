import { chmod, chown, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fastSettings, type PostgresServer, startPostgres } from '@oncebox/testkit'
import { testDatabase } from '@oncebox/testkit/harness'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { withVerifiedTls } from '../dist/command/databaseTls.js'
import { type Certificate, createAuthority, folderOf } from './authority.js'
import { jsonLines, oncebox } from './oncebox.js'

describe('a database with TLS', () => {
  let server: PostgresServer
  let authority: Awaited<ReturnType<typeof createAuthority>>

  beforeAll(async () => {
    authority = await createAuthority()
    server = await startPostgres({ settings: fastSettings })
    await present(await authority.issue('127.0.0.1'))
    await query(`CREATE ROLE shop LOGIN PASSWORD 'another'`)
    // From now on nobody comes in without TLS.
    const rules = `unnest(ARRAY['hostssl all shop all scram-sha-256', 'hostssl all all all trust'])`
    await query(`COPY (SELECT ${rules}) TO '${join(server.dataDirectory, 'pg_hba.conf')}'`)
    await query(`ALTER SYSTEM SET ssl = on`)
    await query('SELECT pg_reload_conf()')
  })
  afterAll(() => server?.remove())

  /** Puts a certificate where the server reads it when it is told to. */
  async function present({ cert, key }: Certificate): Promise<void> {
    for (const [name, text] of Object.entries({ 'server.crt': cert, 'server.key': key })) {
      const path = join(server.dataDirectory, name)
      await writeFile(path, text)
      await chmod(path, 0o600)
      if (process.getuid?.() === 0) await chown(path, 65_534, 65_534)
    }
  }

  async function query(text: string): Promise<void> {
    const client = new pg.Client({ connectionString: server.url })
    await client.connect()
    await client.query(text)
    await client.end()
  }

  const plan = async (parameters: string, host = '127.0.0.1') => {
    const url = server.url.replace('postgres@127.0.0.1', `postgres:canary-password@${host}`)
    const { code, stderr } = await oncebox(['plan', '--database-url', `${url}?${parameters}`])
    expect(stderr).not.toContain('canary')
    // Every line is one of ours: the driver's own warnings are none.
    return { code, said: jsonLines(stderr) as { level: string; code?: string; next?: string; msg: string }[] }
  }

  test.each(['sslmode=require', 'sslmode=verify-full', 'ssl=true'])(
    'whose authority nobody knows is refused: %s',
    async (parameters) => {
      const { code, said } = await plan(parameters)
      expect(code).toBe(3)
      expect(said).toMatchObject([{ level: 'error', code: 'DATABASE_UNREACHABLE' }])
      expect(said[0]?.next).toContain('sslrootcert=FILE')
    },
  )

  test('is taken with its authority named, and with no-verify, which says what it does', async () => {
    const folder = await folderOf({ 'ca.pem': authority.cert })
    for (const mode of ['require', 'verify-full']) {
      // Exit code 1: there is something to migrate.
      expect(await plan(`sslmode=${mode}&sslrootcert=${folder}/ca.pem`)).toEqual({ code: 1, said: [] })
    }
    expect(await plan('sslmode=no-verify')).toEqual({ code: 1, said: [] })
  })

  test('whose user has another password, or that takes nobody without TLS, says so and not what was tried', async () => {
    const folder = await folderOf({ 'ca.pem': authority.cert })
    const url = server.url.replace('postgres@', 'shop:canary-password@')
    for (const parameters of [`sslmode=verify-full&sslrootcert=${folder}/ca.pem`, 'sslmode=disable']) {
      const { code, stdout, stderr } = await oncebox(['plan', '--database-url', `${url}?${parameters}`])
      expect({ code, stdout }).toEqual({ code: 3, stdout: '' })
      expect(jsonLines(stderr)).toMatchObject([{ next: expect.stringContaining('refused the user or the password') }])
      expect(stderr).not.toContain('canary')
    }
  })

  test('with a certificate for another name is refused, authority or not', async () => {
    const folder = await folderOf({ 'ca.pem': authority.cert })
    const { code, said } = await plan(`sslmode=verify-ca&sslrootcert=${folder}/ca.pem`, 'localhost')
    expect(code).toBe(3)
    expect(said[0]?.next).toContain('for another name')
  })

  test('whose certificate is of another authority, or whose authority file is missing, is refused', async () => {
    const folder = await folderOf({ 'other.pem': (await createAuthority()).cert })
    expect((await plan(`sslmode=verify-full&sslrootcert=${folder}/other.pem`)).code).toBe(3)
    const url = `${server.url}?sslmode=verify-full&sslrootcert=${folder}/none.pem`
    const { code, stderr } = await oncebox(['plan', '--database-url', url])
    expect(code).toBe(2)
    expect(stderr).toContain('a file of sslrootcert, sslcert or sslkey in the database URL cannot be read (ENOENT)')
  })
})

test('a server without TLS is not talked to when the URL asks for it', async () => {
  await using database = await testDatabase()
  const { code, stderr } = await oncebox(['plan', '--database-url', `${database.url}?sslmode=require`])
  expect(code).toBe(3)
  expect(jsonLines(stderr)[0]?.next).toContain('speaks TLS')
})

test.each([
  ['postgres://h/d?sslmode=require', 'postgres://h/d?sslmode=verify-full'],
  ['postgres://h/d?sslmode=verify-ca', 'postgres://h/d?sslmode=verify-full'],
  ['postgres://h/d?a=b&sslmode=prefer&c=d', 'postgres://h/d?a=b&sslmode=verify-full&c=d'],
  ['postgres://h/d?sslmode=no-verify', 'postgres://h/d?sslmode=no-verify'],
  ['postgres://h/d?sslmode=disable', 'postgres://h/d?sslmode=disable'],
  ['postgres://h/d?uselibpqcompat=true&sslmode=require', 'postgres://h/d?uselibpqcompat=true&sslmode=require'],
  ['postgres://h/d', 'postgres://h/d'],
])('%s means %s', (given, meant) => expect(withVerifiedTls(given)).toBe(meant))
