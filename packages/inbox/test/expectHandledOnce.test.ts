import { defineMessages, localIds } from '@oncebox/core'
import { pgDatabase } from '@oncebox/core/pg'
import { migrate } from '@oncebox/schema'
import { testDatabase } from '@oncebox/testkit/harness'
import { memoryTransport } from '@oncebox/transport/memory'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { createConsumer } from '../src/index.js'
import { expectHandledOnce } from '../src/testing.js'

const messages = defineMessages({ 'seat.taken': { topic: 'seats', schema: z.object({ seat: z.int() }) } })

test('a handled message is told from one that nobody saw and from a dead letter', async () => {
  await using database = await testDatabase({
    prepare: async ({ pool }) => {
      const client = await pool.connect()
      await migrate(client)
      client.release()
    },
  })
  const { pool } = database
  const consumer = createConsumer({
    db: pgDatabase(pool),
    subscriber: memoryTransport().subscriber(),
    group: 'hall',
    messages,
    handlers: { 'seat.taken': () => undefined },
  })
  const [id, unseen, late] = [localIds.next(), localIds.next(), localIds.next(Date.UTC(2020, 0, 1))]
  for (const known of [id, late, 'foreign-1']) {
    await consumer.deliver({ type: 'seat.taken', data: { seat: 1 }, id: known })
  }
  const handled = (message: string, group = 'hall') => expectHandledOnce(pool, { group, id: message })
  await handled(id)
  await handled(id.toUpperCase())
  await handled('foreign-1')
  await expect(handled(unseen)).rejects.toThrow('the group has not handled it')
  await expect(handled(id, 'another')).rejects.toThrow('the group has not handled it')
  await expect(handled(late)).rejects.toThrow('it is a dead letter (')
})
