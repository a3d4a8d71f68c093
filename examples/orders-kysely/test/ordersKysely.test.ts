import { fileURLToPath } from 'node:url'
import { spawnNode, until } from '@oncebox/testkit'
import { kafkaMissing, testDatabase, testKafka, uniqueName } from '@oncebox/testkit/harness'
import { expect, it } from 'vitest'

const program = (name: string): string => fileURLToPath(new URL(`../${name}`, import.meta.url))
const missing = await kafkaMissing()

it.skipIf(missing !== undefined)(
  'the Kysely example: every committed order is handled once by a consumer that was killed on the way, in order',
  async () => {
    await using shop = await testDatabase()
    await using audit = await testDatabase()
    const brokers = (await testKafka()).brokers.join(',')
    const group = uniqueName('audit')
    const produce = async (orders: number) => {
      await using producer = spawnNode(program('producer.ts'), ['--orders', `${orders}`, '--database-url', shop.url])
      expect((await producer.ended).exitCode, producer.stderr).toBe(0)
      return producer.lines
    }
    const consume = () =>
      spawnNode(program('consumer.ts'), [
        ...['--group', group, '--topics', 'orders', '--database-url', audit.url, '--brokers', brokers],
      ])

    expect(await produce(5)).toEqual([
      ...[1, 2, 3, 4].map((number) => `order ${number} placed and paid`),
      'order 5 rolled back',
    ])
    await using relay = spawnNode(program('relay.ts'), ['--database-url', shop.url, '--brokers', brokers])
    await relay.waitForLine((line) => line === 'relaying')
    const { rows: orders } = await shop.pool.query<{ id: string; cents: number }>('select id::text, cents from orders')
    expect(orders).toHaveLength(4)

    await using first = consume()
    const own = `key in (${orders.map(({ id }) => `'${id}'`).join()})`
    const count = async (condition = 'true') =>
      (await audit.pool.query<{ n: number }>(`select count(*)::int as n from handled where ${condition}`)).rows[0]?.n
    await until(async () => (await count(own)) === 8, { deadlineMs: 60_000, what: 'the first orders' })
    await first.kill('SIGKILL')

    await produce(20)
    await using second = consume()
    const expected = await shop.pool.query<{ n: number }>('select 2 * count(*)::int as n from orders')
    const ids = (await shop.pool.query<{ id: string }>('select id::text from orders')).rows.map(({ id }) => `'${id}'`)
    await until(async () => (await count(`key in (${ids.join()})`)) === expected.rows[0]?.n, {
      deadlineMs: 100_000,
      what: 'all orders, once the group has given up the killed consumer',
    })
    expect((await second.kill('SIGTERM')).exitCode, second.stderr).toBe(0)
    expect((await relay.kill('SIGTERM')).exitCode, relay.stderr).toBe(0)

    const { rows } = await audit.pool.query(
      `select topic, key, type, payload, position_in_key::int as position, message_id from handled
       where ${own} order by key, position_in_key`,
    )
    expect(rows.map(({ message_id: _, ...row }) => row)).toEqual(
      orders
        .sort((a, b) => (a.id < b.id ? -1 : 1))
        .flatMap(({ id, cents }) => [
          {
            topic: 'orders',
            key: id,
            type: 'order.placed',
            position: 1,
            payload: expect.stringContaining(`"cents":${cents}`),
          },
          { topic: 'orders', key: id, type: 'order.paid', position: 2, payload: `{"id":"${id}","paidCents":${cents}}` },
        ]),
    )
    expect(new Set(rows.map((row) => row.message_id)).size).toBe(8)
  },
  240_000,
)
