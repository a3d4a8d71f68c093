import { isOnceboxError } from '@oncebox/core'
import { typeormDatabase } from '@oncebox/core/typeorm'
import { testDatabase } from '@oncebox/testkit/harness'
import { DataSource, type EntityManager, EntitySchema } from 'typeorm'
import { expect, it } from 'vitest'
import { failureOf } from './adapterKit.js'
import { describeAdapter } from './adapterSuite.js'

const Note = new EntitySchema<{ text: string; other: string | null }>({
  name: 'note',
  columns: { text: { type: 'text', primary: true }, other: { type: 'text', nullable: true } },
})

const sourceOf = (url: string) => new DataSource({ type: 'postgres', url, entities: [Note], poolSize: 2 })

describeAdapter<EntityManager>(
  'TypeORM',
  (url) => {
    const dataSource = sourceOf(url)
    const database = typeormDatabase(dataSource)
    const initialized = async () => {
      if (!dataSource.isInitialized) await dataSource.initialize()
    }
    return {
      database: {
        txOf: database.txOf,
        async transaction(work) {
          await initialized()
          return database.transaction(work)
        },
      },
      transaction: async <T>(work: (trx: EntityManager) => Promise<T>) => {
        await initialized()
        return dataSource.transaction(work)
      },
      nested: (trx, work) => trx.transaction(work),
      insert: (trx, text) => trx.insert(Note, { text }),
      outside: dataSource.manager,
      close: async () => (dataSource.isInitialized ? dataSource.destroy() : undefined),
    }
  },
  { tellsEnd: true, connectsFirst: true },
)

it('TypeORM says that the database is unreachable when it is there no more', async () => {
  const test = await testDatabase()
  const dataSource = await sourceOf(test.url).initialize()
  await test.drop()
  const error = await failureOf(typeormDatabase(dataSource).transaction(async () => {}))
  expect(isOnceboxError(error, 'DATABASE_UNREACHABLE')).toBe(true)
  expect(error.cause).toMatchObject({ code: '3D000' })
  await dataSource.destroy()
})
