import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type NodeProcess, spawnNode } from '@oncebox/testkit'
import { afterEach, beforeEach, expect, test } from 'vitest'

const program = fileURLToPath(new URL('fixtures/takesLock.mjs', import.meta.url))
const lockModule = new URL('../dist/fileLock.js', import.meta.url).href
let directory: string
const inDirectory = (name: string): string => join(directory, name)

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'oncebox-lock-'))
  writeFileSync(inDirectory('lines'), '')
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

function start(...how: string[]): NodeProcess {
  return spawnNode(program, [lockModule, inDirectory('lock'), inDirectory('lines'), ...how])
}

test('one process at a time holds the lock, also after a holder that died', async () => {
  expect(await start('die').ended).toMatchObject({ signal: 'SIGKILL' })
  expect(existsSync(inDirectory('lock'))).toBe(true)

  const processes = Array.from({ length: 6 }, () => start())
  const ends = await Promise.all(processes.map((process) => process.ended))

  expect(ends.map((end) => end.exitCode)).toEqual([0, 0, 0, 0, 0, 0])
  const pids = readFileSync(inDirectory('lines'), 'utf8').trim().split('\n').map(Number)
  expect(pids.sort()).toEqual(processes.map(({ pid }) => pid).sort())
  expect(existsSync(inDirectory('lock'))).toBe(false)
})
