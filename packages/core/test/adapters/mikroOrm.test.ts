import { defineEntity, type EntityManager, MikroORM, p } from '@mikro-orm/postgresql'
import { isOnceboxError } from '@oncebox/core'
import { mikroOrmDatabase } from '@oncebox/core/mikro-orm'
import { testDatabase } from '@oncebox/testkit/harness'
import { expect, it } from 'vitest'
import { failureOf } from './adapterKit.js'
import { describeAdapter } from './adapterSuite.js'

const Note = defineEntity({
  name: 'Note',
  tableName: 'note',
  properties: { text: p.text().primary(), other: p.text().nullable() },
})

const ormOf = (url: string) => new MikroORM({ entities: [Note], clientUrl: url, pool: { min: 0, max: 2 } })

describeAdapter<EntityManager>(
  'MikroORM',
  (url) => {
    const orm = ormOf(url)
    return {
      database: mikroOrmDatabase(orm),
      transaction: (work) => orm.em.fork().transactional(work),
      nested: (trx, work) => trx.transactional(work),
      insert: (trx, text) => trx.insert(Note, { text }),
      outside: orm.em,
      close: () => orm.close(),
    }
  },
  { tellsEnd: true },
)

it('MikroORM: what was persisted and not flushed is committed, also by orm.em, and fails as a statement does', async () => {
  await using test = await testDatabase()
  await test.pool.query('create table note (text text primary key, other text)')
  const orm = ormOf(test.url)
  const database = mikroOrmDatabase(orm)
  await database.transaction(async ({ trx }) => {
    trx.persist(trx.create(Note, { text: 'by trx' }))
    orm.em.persist(orm.em.create(Note, { text: 'by orm.em' }))
  })
  const { rows } = await test.pool.query('select text from note order by text')
  expect(rows).toEqual([{ text: 'by orm.em' }, { text: 'by trx' }])
  const again = database.transaction(async ({ trx }) => {
    trx.persist(trx.create(Note, { text: 'by trx' }))
  })
  expect(await failureOf(again)).toMatchObject({ code: '23505' })
  await orm.close()
})

it('MikroORM: connections that are lost inside transactions give their place in the pool back', async () => {
  await using test = await testDatabase()
  const orm = ormOf(test.url)
  for (let round = 0; round < 3; round++) {
    const lost = mikroOrmDatabase(orm).transaction(async ({ tx }) => {
      const { rows } = await tx.query<{ pid: number }>('select pg_backend_pid() as pid')
      await test.pool.query('select pg_terminate_backend($1, 5000)', [rows[0]?.pid])
    })
    expect(isOnceboxError(await failureOf(lost), 'DATABASE_UNREACHABLE')).toBe(true)
  }
  await mikroOrmDatabase(orm).transaction(({ tx }) => tx.query('select 1'))
  await orm.close()
})
