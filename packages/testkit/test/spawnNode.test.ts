import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { spawnNode, until } from '@oncebox/testkit'
import { expect, test } from 'vitest'

const fixture = (name: string): string => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url))

test('passes arguments as they are, collects lines and ends with the exit code', async () => {
  await using program = spawnNode(fixture('echo.mjs'), ['with space', '"quotes"', ''])
  expect(await program.waitForLine((line) => line === 'ready')).toBe('ready')
  expect(program.lines[0]).toBe('["with space","\\"quotes\\"",""]')
  expect(await program.waitForLine((line) => line.startsWith('['))).toBe(program.lines[0])
  expect(await program.kill()).toEqual({ exitCode: 7, signal: null })
  expect(program.stderr).toBe('a word on standard error\n')
})

test('a line that cannot come any more rejects with what the program wrote', async () => {
  await using program = spawnNode(fixture('echo.mjs'))
  await program.waitForLine((line) => line === 'ready')
  const never = program.waitForLine((line) => line === 'never', { what: 'the impossible' })
  await program.kill('SIGKILL')
  await expect(never).rejects.toThrow(/the impossible.*SIGKILL.*ready.*a word on standard error/s)
  await expect(program.waitForLine(() => false, { deadlineMs: 1 })).rejects.toThrow(/it ended/)
})

test('servers and children end with a process that is killed, and temporary data goes', async () => {
  await using program = spawnNode(fixture('startsServers.mjs'))
  const line = await program.waitForLine((text) => text.startsWith('{'))
  const started = JSON.parse(line) as { postgres: number; child: number; dataDirectory: string }
  expect([isAlive(started.postgres), isAlive(started.child), existsSync(started.dataDirectory)]).toEqual([
    true,
    true,
    true,
  ])

  await program.kill('SIGKILL')

  await until(() => !isAlive(started.postgres) && !isAlive(started.child), { what: 'both to end' })
  await until(() => !existsSync(started.dataDirectory), { what: 'the data to be removed' })
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
