import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { spawnNode } from '@oncebox/testkit'
import { expect, test } from 'vitest'
import { root } from './workspace.js'

const fixture = (name: string): string => join(import.meta.dirname, 'fixtures', name)

test('an unknown verb is wrong usage, and sets nothing up', async () => {
  await using program = spawnNode(join(root, 'scripts/run.mjs'), ['nonsense'])
  expect(await program.ended).toMatchObject({ exitCode: 2 })
  expect(program.stderr).toMatch(/^usage: .*oncebox\|demo/)
})

test('arguments pass as they are, signals too, and the exit code comes back', async () => {
  const args = ['with space', '"quotes"', "it's", '$HOME', '', '--json']
  await using program = spawnNode(fixture('runsToEnd.mjs'), [fixture('endsWithSeven.mjs'), ...args])
  expect(JSON.parse(await program.waitForLine(() => true))).toEqual(args)
  expect(await program.kill('SIGTERM')).toEqual({ exitCode: 7, signal: null })
})

test('the migrations in the package are those of the repository, whatever was there before', async () => {
  const published = join(root, 'packages/schema/migrations')
  const script = pathToFileURL(join(root, 'scripts/copyMigrations.mjs')).href
  const { copyMigrations } = (await import(script)) as { copyMigrations: () => void }
  copyMigrations()
  const stale = join(published, '9999_stale.sql')
  writeFileSync(stale, 'select 1;\n')
  try {
    copyMigrations()
    const contents = (directory: string): string[][] =>
      readdirSync(directory).map((name) => [name, readFileSync(join(directory, name), 'utf8')])
    expect(contents(published)).toEqual(contents(join(root, 'migrations')))
  } finally {
    rmSync(stale, { force: true })
  }
})
