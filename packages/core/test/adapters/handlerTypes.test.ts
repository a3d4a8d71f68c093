import { execFile } from 'node:child_process'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const run = promisify(execFile)

test("a handler's trx is the library's own transaction type, and a database is none", async () => {
  const compiler = resolve(import.meta.dirname, '../../../../node_modules/typescript/bin/tsc')
  const problems = await run(process.execPath, [compiler, '-p', join(import.meta.dirname, 'tsconfig.json')]).then(
    () => '',
    (error: { stdout: string }) => error.stdout,
  )
  expect(problems).toBe('')
}, 60_000)
