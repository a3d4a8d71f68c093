import { fileURLToPath } from 'node:url'
import { standstill, startCrew } from '@oncebox/testkit'
import { testDatabase } from '@oncebox/testkit/harness'
import { expect, test } from 'vitest'

const fixture = (name: string): string => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url))

test('a crew stands still in the middle of its transactions, loses a member there, and is whole again', async () => {
  await using database = await testDatabase({
    prepare: ({ pool }) => pool.query('create table first_half (n int); create table second_half (n int)'),
  })
  const count = async (table: string): Promise<number> =>
    (await database.pool.query(`select count(*)::int as n from ${table}`)).rows[0].n
  await using crew = await startCrew({
    script: fixture('writesForever.mjs'),
    args: [database.url],
    size: 3,
    ready: 'writing',
    random: () => 0.99,
  })
  const [first, , last] = crew.members
  let stopped: number[] = []
  await standstill({
    url: database.url,
    table: 'second_half',
    application: 'scribes',
    sessions: 3,
    begin: async () => {
      // The lock has waited for the transactions that were running; from here on nothing is written to its end.
      stopped = [await count('second_half')]
    },
    strike: async () => {
      stopped.push(await count('second_half'))
      await crew.killOne()
    },
  })
  expect(stopped[1]).toBe(stopped[0])
  expect(crew.kills).toBe(1)
  expect(await last?.ended).toEqual({ exitCode: null, signal: 'SIGKILL' })
  expect([crew.members.length, crew.members[0], crew.members.includes(last as never)]).toEqual([3, first, false])
  await crew.stop()
  // The transaction of the one that was killed is gone, its first half included.
  expect(await count('first_half')).toBe(await count('second_half'))
  expect((await first?.ended)?.exitCode).toBe(0)
})

test('a crew is relieved one by one, in the order in which they came, and nobody is killed', async () => {
  await using database = await testDatabase({
    prepare: ({ pool }) => pool.query('create table first_half (n int); create table second_half (n int)'),
  })
  await using crew = await startCrew({
    ...{ script: fixture('writesForever.mjs'), args: [database.url], size: 2, ready: 'writing' },
  })
  const [first, second] = crew.members
  await crew.relieveOne()
  expect(await first?.ended).toEqual({ exitCode: 0, signal: null })
  expect(crew.members[0]).toBe(second)
  expect(crew.members[1]?.lines).toContain('writing')
  await crew.relieveOne()
  expect(await second?.ended).toEqual({ exitCode: 0, signal: null })
  expect([crew.members.length, crew.kills]).toEqual([2, 0])
})

test('a standstill that does not come about says for whom it waited, and lets go', async () => {
  await using database = await testDatabase({ prepare: ({ pool }) => pool.query('create table quiet (n int)') })
  const struck: string[] = []
  const vain = standstill({
    url: database.url,
    table: 'quiet',
    application: 'nobody',
    sessions: 1,
    begin: async () => undefined,
    strike: async () => struck.push('struck'),
    deadlineMs: 20,
  })
  await expect(vain).rejects.toThrow('waited 20 ms for 1 sessions of nobody to stand at quiet')
  await database.pool.query('insert into quiet values (1)')
  expect(struck).toEqual([])
})

test('a member that ended by itself is told from one that was killed, and a crew that cannot start leaves nobody', async () => {
  const script = fixture('echo.mjs')
  await using crew = await startCrew({ script, size: 3, ready: 'ready' })
  await Promise.all(crew.members.map((member) => member.kill('SIGTERM')))
  await expect(crew.killOne()).rejects.toThrow('had ended before it was killed: a word on standard error')
  await expect(crew.relieveOne()).rejects.toThrow(/ended with 7: a word on standard error/)
  await expect(crew.stop()).rejects.toThrow(/ended with 7: a word on standard error/)
  await expect(startCrew({ script: fixture('none.mjs'), size: 1, ready: 'ready' })).rejects.toThrow(
    'Cannot find module',
  )
})
