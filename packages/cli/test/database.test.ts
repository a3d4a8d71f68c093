import { expect, onTestFinished, test } from 'vitest'
import { openDatabase } from '../dist/command/database.js'
import { migratedDatabase } from './outbox.js'

test('a command that runs on gives up a connection that says nothing, and asks on another one', async () => {
  const { url, drop } = await migratedDatabase()
  onTestFinished(() => drop())
  const database = await openDatabase({ databaseUrl: url, schema: 'oncebox' }, 'test', { silenceMs: 1_000 })
  onTestFinished(() => database.end())
  const silent = database.session((client) => client.query('SELECT pg_sleep(30)'))
  await expect(silent).rejects.toThrow('timeout')
  const answer = await database.session((client) => client.query('SELECT 1 AS one'))
  expect(answer.rows).toEqual([{ one: 1 }])
})
