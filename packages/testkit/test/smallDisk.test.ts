import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { openSmallDisk, type SmallDisk } from '@oncebox/testkit'
import { expect, onTestFinished, test } from 'vitest'

const run = promisify(execFile)

/** Where none may be mounted, the reason has to be told. */
async function disk(): Promise<SmallDisk | undefined> {
  try {
    const opened = await openSmallDisk({ bytes: 1 << 20 })
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
  const [program = '', ...args] = [...small.enter, 'cat', join(small.directory, 'note')]
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
