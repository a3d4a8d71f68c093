import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { openSmallDisk, type SmallDisk, startPostgres, until } from '@oncebox/testkit'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'

const run = promisify(execFile)

/** Where none may be mounted, the reason has to be told. */
async function disk(bytes = 1 << 20): Promise<SmallDisk | undefined> {
  try {
    const opened = await openSmallDisk({ bytes })
    onTestFinished(() => opened.remove())
    return opened
  } catch (error) {
    expect((error as Error).message).toMatch(/may not be mounted|does not run/)
    process.stderr.write(`A small disk cannot be had here: ${(error as Error).message}\n`)
    return undefined
  }
}

test('a small disk is seen from inside and from outside, and by nobody else', async () => {
  const small = await disk()
  if (small === undefined) return
  await writeFile(join(small.outside, 'note'), 'hello')
  expect(existsSync(join(small.directory, 'note'))).toBe(false)
  const [program = '', ...args] = [...small.enter(), 'cat', join(small.directory, 'note')]
  expect((await run(program, args)).stdout).toBe('hello')
})

test('a full disk takes nothing more, and does again when it is freed', async () => {
  const small = await disk()
  if (small === undefined) return
  const file = join(small.outside, 'log')
  await writeFile(file, 'before')
  expect(await small.usedBytes()).toBeLessThan(100_000)
  await small.fill()
  expect(await small.usedBytes()).toBe(1 << 20)
  await expect(writeFile(join(small.outside, 'other'), 'x')).rejects.toMatchObject({ code: 'ENOSPC' })
  await small.free()
  await appendFile(file, ' and after')
  expect(await readFile(file, 'utf8')).toBe('before and after')
})

test('a Postgres whose disk is full takes nothing, and has everything it took once the disk is freed', async () => {
  const small = await disk(128 << 20)
  if (small === undefined) return
  const settings = { min_wal_size: '32MB', max_wal_size: '32MB', wal_keep_size: '0' }
  const server = await startPostgres({ disk: small, settings })
  onTestFinished(() => server.remove())
  const write = async (): Promise<number> => {
    const client = new pg.Client({ connectionString: server.url })
    client.on('error', () => undefined)
    await client.connect()
    try {
      const text = `insert into note select repeat('x', 7000) from generate_series(1, 100)`
      return (await client.query(text)).rowCount ?? 0
    } finally {
      await client.end()
    }
  }
  const client = new pg.Client({ connectionString: server.url })
  await client.connect()
  await client.query('create table note (text text)')
  await client.query('alter table note alter text set storage plain')
  await client.end()
  let taken = await write()
  await small.fill()
  const refused = async (): Promise<boolean> => {
    try {
      taken += await write()
      return false
    } catch {
      return true
    }
  }
  await until(refused, { what: 'Postgres to refuse rows', deadlineMs: 30_000 })
  expect(await server.log()).toContain('No space left on device')
  await small.free()
  await server.crash()
  await server.start()
  const again = new pg.Client({ connectionString: server.url })
  await again.connect()
  expect((await again.query('select count(*)::int from note')).rows).toEqual([{ count: taken }])
  await again.end()
})
