import { until } from '@oncebox/testkit'
import { expect, test } from 'vitest'
import { jsonLines, oncebox, startOncebox } from './oncebox.js'
import { emitSql, migratedDatabase } from './outbox.js'

const pgBoss = ['--transport', 'pg-boss', '--topic', 'orders=billing']

test('lanes says how many there are, changes their number, and refuses what makes no sense', async () => {
  await using database = await migratedDatabase()
  const lanes = async (...args: string[]) => {
    const { code, stdout } = await oncebox(['lanes', '--json', ...args], database)
    return { code, said: jsonLines(stdout)[0] }
  }
  expect(await lanes()).toEqual({ code: 0, said: { lanes: 1 } })
  expect(await lanes('3')).toEqual({ code: 0, said: { before: 1, lanes: 3, exact: true } })
  expect(await lanes()).toEqual({ code: 0, said: { lanes: 3 } })
  expect((await lanes('0')).code).toBe(2)
  expect((await lanes('65')).code).toBe(2)
  expect((await oncebox(['lanes', '2'], database)).stdout).toContain('2 lanes; before: 3.')
})

test('a relay serves every lane, or those it is told to, and takes over the lane of one that is stopped', async () => {
  await using database = await migratedDatabase()
  await oncebox(['lanes', '2'], database)
  const one = startOncebox(['relay', '--json', '--lane', '1', ...pgBoss], database)
  const ready = (text: string) => jsonLines(text).filter(({ event }) => event === 'ready')
  await until(() => ready(one.stdout()).length === 1, { what: 'lane 1 to be held', deadlineMs: 30_000 })
  const every = startOncebox(['relay', '--json', ...pgBoss], database)
  await until(() => ready(every.stdout()).length === 1, { what: 'lane 0 to be held', deadlineMs: 30_000 })
  expect(ready(every.stdout())).toMatchObject([{ lane: 0 }])
  one.process.kill('SIGTERM')
  expect((await one.ended).code).toBe(0)
  await until(() => ready(every.stdout()).length === 2, { what: 'lane 1 to be taken over', deadlineMs: 30_000 })
  for (let n = 0; n < 10; n++) await emitSql(database, { topic: 'orders', key: `k${n}`, payload: '{}' })
  const published = () =>
    jsonLines(every.stdout()).reduce((sum, { event, count }) => sum + (event === 'published' ? Number(count) : 0), 0)
  await until(() => published() === 10, { what: 'the keys of both lanes to be published', deadlineMs: 30_000 })
  every.process.kill('SIGTERM')
  expect((await every.ended).code).toBe(0)
})
