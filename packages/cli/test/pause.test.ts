import { until } from '@oncebox/testkit'
import { expect, test } from 'vitest'
import { jsonLines, oncebox, startOncebox } from './oncebox.js'
import { emitSql, migratedDatabase } from './outbox.js'

const pgBoss = ['--transport', 'pg-boss', '--topic', 'orders=billing', '--topic', 'mails=billing']

test('a topic is paused and resumed while a relay runs; status and doctor say who, why and what to type', async () => {
  await using database = await migratedDatabase()
  const run = async (...args: string[]) => {
    const { code, stdout } = await oncebox([...args, '--json'], database)
    return { code, said: jsonLines(stdout)[0] as Record<string, unknown> }
  }
  const relay = startOncebox(['relay', '--json', ...pgBoss], database)
  await relay.event(({ event }) => event === 'ready')
  const asked = ['pause', '--topic', 'orders', '--reason', 'broker upgrade', '--by', 'ann']
  expect(await run(...asked)).toMatchObject({
    code: 0,
    said: {
      action: 'pause',
      changed: [{ topic: 'orders' }],
      paused: [{ lane: null, topic: 'orders', by: 'ann', why: 'broker upgrade' }],
    },
  })
  expect(await run(...asked)).toMatchObject({ code: 0, said: { changed: [] } })
  await relay.event(({ event, topic }) => event === 'paused' && topic === 'orders')
  await emitSql(database, { topic: 'orders', key: 'k', payload: '{}' }, 2)
  await emitSql(database, { topic: 'mails', key: 'k', payload: '{}' })
  await relay.event(({ event }) => event === 'published')
  await relay.event(({ event, code }) => event === 'parked' && code === 'PAUSED')

  const { code, said } = await run('status')
  expect({ code, problems: said.problems }).toEqual({
    code: 1,
    problems: [
      {
        code: 'PAUSED',
        what: expect.stringMatching(
          /^Topic "orders" was paused \d+ s ago by ann: "broker upgrade"; 2 messages waiting\.$/,
        ),
        next: 'When it shall go on: "oncebox resume --topic orders".',
      },
    ],
  })
  expect((await oncebox(['status'], database)).stdout).toMatch(
    /^topic orders: paused \d+ s ago by ann, "broker upgrade"$/m,
  )
  const doctor = await oncebox(['doctor', '--json'], database)
  expect(doctor.stdout).toContain('"code":"PAUSED","severity":"problem"')

  // The command that doctor names, as it stands there.
  expect(await run(...'resume --topic orders'.split(' '), '--by', 'ann')).toMatchObject({
    code: 0,
    said: { changed: [{ topic: 'orders' }], paused: [] },
  })
  await relay.event(({ event, count }) => event === 'released' && count === 2)
  expect((await oncebox(['status'], database)).code).toBe(0)
  const { rows } = await database.pool.query('SELECT topic, paused_by, paused_why, resumed_by FROM oncebox.pause')
  expect(rows).toEqual([{ topic: 'orders', paused_by: 'ann', paused_why: 'broker upgrade', resumed_by: 'ann' }])
}, 60_000)

test('a relay that shall drain a paused lane says that it cannot: exit 1; so does one whose lane is removed', async () => {
  await using database = await migratedDatabase()
  await emitSql(database, { topic: 'orders', key: 'k', payload: '{}' })
  await oncebox(['lanes', '2'], database)
  const served = startOncebox(['relay', '--lane', '1', ...pgBoss], database)
  const lanes = async () => {
    const { rows } = await database.pool.query('SELECT FROM oncebox.relay_cursor WHERE lane = 1 AND token IS NOT NULL')
    return rows.length === 1
  }
  await until(lanes, { what: 'lane 1 to be held', deadlineMs: 20_000 })
  expect(
    (await oncebox(['pause', '--lane', '0'], { environment: { ...database.environment, USER: 'ann' } })).code,
  ).toBe(0)
  const drained = await oncebox(['relay', '--until-idle', '--lane', '0', ...pgBoss], database)
  expect(drained).toMatchObject({ code: 1, stderr: expect.stringContaining('oncebox resume --lane 0') })
  expect((await oncebox(['lanes', '1'], database)).code).toBe(0)
  const ended = await served.ended
  expect(ended).toMatchObject({ code: 1, stderr: expect.stringContaining('no lane is left to serve') })
}, 60_000)

test('a pause wants to know what and who, and knows the lanes', async () => {
  await using database = await migratedDatabase()
  expect(await oncebox(['pause'], database)).toMatchObject({ code: 2, stderr: expect.stringContaining('--topic NAME') })
  const nobody = { environment: { ...database.environment, USER: '' } }
  expect(await oncebox(['pause', '--topic', 't'], nobody)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--by'),
  })
  const unknown = await oncebox(['pause', '--lane', '9', '--by', 'ann'], database)
  expect(unknown).toMatchObject({ code: 1, stderr: expect.stringContaining('There is no lane 9') })
  expect(await oncebox(['resume', '--all', '--by', 'ann'], database)).toMatchObject({
    code: 0,
    stdout: 'Nothing changed: not paused.\n',
  })
})
