import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { testDatabase } from '@oncebox/testkit/harness'
import { expect, it } from 'vitest'

const program = fileURLToPath(new URL('../main.ts', import.meta.url))

it('the plain SQL example prints the tickets that were committed and exactly their messages, in order', async () => {
  await using database = await testDatabase()
  const { stdout } = await promisify(execFile)(process.execPath, [program], {
    env: { PATH: process.env.PATH, DATABASE_URL: database.url },
    timeout: 50_000,
  })
  const one = '"id":"T-1","title":"The printer is on fire"'
  expect(stdout.trim().split('\n')).toEqual([
    'ticket   T-1 closed',
    'ticket   T-2 open',
    `message  T-1 ticket.opened from help-desk by ann {${one},"status":"open"}`,
    'message  T-2 ticket.opened from help-desk by ann {"id":"T-2","title":"No coffee","status":"open"}',
    `message  T-1 ticket.assigned from help-desk by ann {${one},"status":"assigned"}`,
    `message  T-1 ticket.closed from help-desk by ann {${one},"status":"closed"}`,
    'published 4',
  ])
}, 60_000)
