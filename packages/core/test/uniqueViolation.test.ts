import { uniqueViolation } from '@oncebox/core'
import { postgresVersions, testDatabase } from '@oncebox/testkit/harness'
import { Kysely, PostgresDialect, sql } from 'kysely'
import { describe, expect, it } from 'vitest'

const thrownBy = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  )

describe.each(postgresVersions)('uniqueViolation on Postgres %i', (version) => {
  it('knows the constraint or unique index by its name, with pg and Kysely, whatever the language', async () => {
    await using database = await testDatabase({ version })
    await database.pool.query(
      `create table p (id int constraint "P key" primary key, a int, positive int check (positive > 0));
       create unique index p_a on p (a); insert into p values (1, 1)`,
    )
    const byConstraint = await thrownBy(database.pool.query('insert into p values (1, 2)'))
    const byIndex = await thrownBy(database.pool.query('insert into p values (2, 1)'))
    const byCheck = await thrownBy(database.pool.query('insert into p values (3, 3, 0)'))
    expect([byConstraint, byIndex, byCheck].map((error) => uniqueViolation(error, 'P key'))).toEqual([
      true,
      false,
      false,
    ])
    expect(uniqueViolation(byIndex, 'p_a')).toBe(true)
    expect(uniqueViolation(byCheck, 'p_positive_check')).toBe(false)

    const kysely = new Kysely<object>({ dialect: new PostgresDialect({ pool: database.pool }) })
    const byKysely = await thrownBy(sql`insert into p values (1, 2)`.execute(kysely))
    expect(uniqueViolation(byKysely, 'P key')).toBe(true)
    expect(uniqueViolation(new Error('failed', { cause: new Error('query', { cause: byKysely }) }), 'P key')).toBe(true)
  })
})

it('looks through what libraries wrap the error in', () => {
  const violation = { code: '23505', constraint_name: 'p_a' }
  expect(uniqueViolation(violation, 'p_a')).toBe(true)
  expect(uniqueViolation(Object.assign(new Error('x'), { driverError: violation }), 'p_a')).toBe(true)
  expect(uniqueViolation({ cause: { cause: { driverError: violation } } }, 'p_a')).toBe(true)
})

it('takes nothing else for one: no text, no other code, no loop', () => {
  const text = new Error('duplicate key value violates unique constraint "p_a"')
  const loop: { cause?: unknown } = {}
  loop.cause = loop
  for (const error of [text, loop, { code: '23503', constraint: 'p_a' }, { code: '23505' }, null, 'p_a', undefined]) {
    expect(uniqueViolation(error, 'p_a')).toBe(false)
  }
})
