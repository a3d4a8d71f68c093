import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { pgDatabase } from '@oncebox/core/pg'
import { businessKey } from '@oncebox/guards'
import { testDatabase } from '@oncebox/testkit/harness'
import { expect, onTestFinished, test } from 'vitest'
import { jsonLines, oncebox } from './oncebox.js'
import { migratedDatabase } from './outbox.js'

const run = promisify(execFile)

/** Inside the package, so that `oncebox` and what it needs are found as a user's project finds them. */
async function project(): Promise<string> {
  const parent = fileURLToPath(new URL('../.cache/', import.meta.url))
  await mkdir(parent, { recursive: true })
  const directory = await mkdtemp(join(parent, 'init-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  return directory
}

test('init writes files that run as they are, and changes none that is there', async () => {
  await using database = await testDatabase()
  const directory = join(await project(), 'messaging')
  const made = await oncebox(['init', directory, '--json'])
  expect(made).toMatchObject({ code: 0, stderr: '' })
  const { files } = jsonLines(made.stdout)[0] as { files: string[] }
  expect(files).toEqual(['migrate.ts', 'messages.ts', 'settings.env'].map((name) => join(directory, name)))

  const { stdout } = await run(process.execPath, [join(directory, 'migrate.ts')], {
    env: { ...process.env, DATABASE_URL: database.url },
  })
  expect(stdout).toMatch(/^schema oncebox is at version \d+, \d+ migrations applied$/m)
  const { rows } = await database.pool.query(`SELECT to_regclass('oncebox.outbox') IS NOT NULL AS there`)
  expect(rows).toEqual([{ there: true }])
  const { stdout: types } = await run(process.execPath, [
    '--input-type=module',
    '-e',
    `const { messages } = await import(${JSON.stringify(join(directory, 'messages.ts'))}); console.log(Object.keys(messages))`,
  ])
  expect(types).toContain('order.created')

  await writeFile(join(directory, 'messages.ts'), 'mine')
  await rm(join(directory, 'migrate.ts'))
  expect(await oncebox(['init', directory])).toMatchObject({ code: 2, stdout: '' })
  expect(await readFile(join(directory, 'messages.ts'), 'utf8')).toBe('mine')
})

test('prune deletes expired business keys, old ids and publications, and nothing that may be needed', async () => {
  await using database = await migratedDatabase()
  const record = (key: string) =>
    pgDatabase(database.pool).transaction(({ tx }) => businessKey(tx, { scope: 's', key }, async () => null))
  for (const key of ['expired', 'kept']) await record(key)
  await database.pool.query(`UPDATE oncebox.business_key SET expires_at = now() - interval '1 s' WHERE key = 'expired'`)
  const idOf = (daysAgo: number) => {
    const hex = (Date.now() - daysAgo * 86_400_000).toString(16).padStart(12, '0')
    return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`
  }
  await database.pool.query(`INSERT INTO oncebox.inbox VALUES ('billing', $1), ('billing', $2)`, [idOf(11), idOf(1)])
  for (const hours of [84, 0]) {
    await database.pool.query(
      `INSERT INTO oncebox.publication (first_position, last_position, count, partition, lane, topic, slot)
       VALUES (1, 1, 1, 0, 0, 'orders', oncebox.publication_slot(now() - $1::int * interval '1 hour'))`,
      [hours],
    )
  }
  const { code, stdout } = await oncebox(['prune', '--json'], database)
  expect(code).toBe(0)
  expect(jsonLines(stdout)).toEqual([
    { businessKeys: 1, inboxLeaves: [expect.stringMatching(/^inbox_\d+$/)], inboxRows: 0, publicationLeaves: 1 },
  ])
  const left = await database.pool.query(
    `SELECT (SELECT string_agg(key, ',') FROM oncebox.business_key) AS keys, (SELECT count(*)::int FROM oncebox.inbox) AS ids,
       (SELECT count(*)::int FROM oncebox.publication) AS publications`,
  )
  expect(left.rows).toEqual([{ keys: 'kept', ids: 1, publications: 1 }])
  expect((await oncebox(['prune'], database)).stdout).toContain('Deleted 0 expired business keys')
})

test('bash completes verbs, the flags of a verb, and the actions of dead', async () => {
  const { code, stdout } = await oncebox(['completion'])
  expect(code).toBe(0)
  const complete = async (...words: string[]): Promise<string[]> => {
    const line = words.map((word) => JSON.stringify(word)).join(' ')
    const script = `${stdout}\nCOMP_WORDS=(oncebox ${line}); COMP_CWORD=${words.length}; _oncebox; printf '%s\\n' "\${COMPREPLY[@]}"`
    return (await run('bash', ['-c', script])).stdout.trim().split('\n')
  }
  expect(await complete('re')).toEqual(['relay', 'resume', 'replay'])
  expect(await complete('doctor', '--con')).toEqual(['--consumer-url'])
  expect(await complete('dead', 'r')).toEqual(['retry'])
  expect(await complete('plan', '--consumer')).toEqual([''])
})
