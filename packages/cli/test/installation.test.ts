import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { migratedDatabase } from './outbox.js'

const here = fileURLToPath(new URL('..', import.meta.url))
const optional = ['kafka', 'kafkajs', 'pg-boss', 'testkit']

/** The package as `npm install oncebox` lays it out: its files, its dependencies, and none of its optional peers. */
function installAlone(): string {
  const home = mkdtempSync(join(tmpdir(), 'oncebox-installed-'))
  onTestFinished(() => rmSync(home, { recursive: true }))
  for (const file of ['package.json', 'dist']) cpSync(join(here, file), join(home, file), { recursive: true })
  const modules = join(here, 'node_modules')
  mkdirSync(join(home, 'node_modules/@oncebox'), { recursive: true })
  const link = (name: string) => symlinkSync(realpathSync(join(modules, name)), join(home, 'node_modules', name))
  for (const name of ['commander', 'pg', 'pino', 'pino-pretty']) link(name)
  for (const name of readdirSync(join(modules, '@oncebox'))) if (!optional.includes(name)) link(`@oncebox/${name}`)
  return home
}

test.each([
  ['kafka', ['--brokers', '127.0.0.1:1']],
  ['kafkajs', ['--transport', 'kafkajs', '--brokers', '127.0.0.1:1']],
  ['pg-boss', ['--transport', 'pg-boss', '--topic', 'orders=billing']],
])('%s, where it is not installed, is named with the command that installs it', async (name, flags) => {
  await using database = await migratedDatabase()
  const home = installAlone()
  const { code, stderr } = await new Promise<{ code: unknown; stderr: string }>((resolve) => {
    const args = [join(home, 'dist/bin.js'), 'relay', '--database-url', database.url, ...flags]
    execFile(process.execPath, args, (error, _stdout, stderr) => resolve({ code: error?.code ?? 0, stderr }))
  })
  expect({ code, stderr }).toEqual({
    code: 2,
    stderr: `error: @oncebox/${name} is not installed\nRun: npm install @oncebox/${name}\n`,
  })
})
