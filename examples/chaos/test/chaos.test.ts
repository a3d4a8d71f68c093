import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { testDatabase } from '@oncebox/testkit/harness'
import { expect, it } from 'vitest'

const program = fileURLToPath(new URL('../main.ts', import.meta.url))

it('G3: the chaos example finds both faults of its handler, and none when it is mended', async () => {
  await using database = await testDatabase()
  const { stdout } = await promisify(execFile)(process.execPath, [program], {
    env: { PATH: process.env.PATH, DATABASE_URL: database.url },
    timeout: 120_000,
  })
  const [first, second, third] = stdout.split('\n\n')
  expect(first).toContain('first: order.paid: your handler is not idempotent')
  expect(first).toContain('UPDATE customer SET points = points + $2 WHERE id = $1')
  expect(first).toContain('The effect is outside the transaction')
  expect(second).toContain('second: order.paid: your handler is not idempotent')
  expect(second).toContain('when a second message with the same data and another id came after the first')
  expect(second).toContain('Do the work in businessKey')
  expect(second).not.toContain('outside the transaction')
  expect(third).toContain('third: order.paid: your handler is idempotent')
}, 150_000)
