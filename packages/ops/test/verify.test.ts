import { verify } from '@oncebox/ops'
import { expect, test } from 'vitest'
import { asOperator, migratedDatabase, publishAll, write } from './prepared.js'

test('a topic with more records than fit into the arguments of a call is compared', async () => {
  await using database = await migratedDatabase(18)
  const { pool } = database
  const ids = await write(pool, 250_000)
  await publishAll(pool)
  const toMs = Date.now() + 60_000
  const found = await verify(asOperator(database), {
    fromMs: 0,
    toMs,
    consumers: [asOperator(database)],
    readTopic: async (topic, _, take) =>
      take(
        ids.map((id, n) => {
          const place = { topic, partition: 0, offset: BigInt(n) }
          return { ...place, key: 'k', id, type: 'order.created', source: 'shop', writtenMs: toMs - 60_000 }
        }),
      ),
  })
  expect(found).toMatchObject({ written: 250_000, published: 250_000, waiting: 0, discrepancies: [] })
})

test('a message whose transaction commits while the topics are read is not one that nobody wrote', async () => {
  await using database = await migratedDatabase(18)
  const { pool } = database
  const ids = await write(pool, 3)
  await publishAll(pool)
  const toMs = Date.now() + 60_000
  const found = await verify(asOperator(database), {
    fromMs: 0,
    toMs,
    consumers: [],
    readTopic: async (topic, _, take) => {
      const all = [...ids, ...(await write(pool, 1)), 'a0000000-0000-4000-8000-000000000000']
      await take(
        all.map((id, n) => {
          const place = { topic, partition: 0, offset: BigInt(n) }
          return { ...place, key: 'k', id, type: 'order.created', source: 'shop', writtenMs: toMs - 60_000 }
        }),
      )
    },
  })
  expect(found).toMatchObject({ written: 3, published: 3 })
  expect(found.discrepancies).toMatchObject([{ code: 'UNKNOWN', id: 'a0000000-0000-4000-8000-000000000000' }])
})
