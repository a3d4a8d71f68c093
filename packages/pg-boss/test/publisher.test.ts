import { pgBoss, queueName } from '@oncebox/pg-boss'
import { testDatabase } from '@oncebox/testkit/harness'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { record } from './record.js'

it('refuses a topic without groups by name, and sends the others', async () => {
  await using database = await testDatabase()
  const transport = pgBoss({ connectionString: database.url, topics: { orders: ['billing'], silent: [] } })
  const outcomes = await transport.publish([
    record('silent', 'a', '1'),
    record('orders', 'a', '2'),
    record('never declared', 'a', '3'),
    record('silent', 'a', '4'),
  ])
  expect(outcomes.map((outcome) => outcome.status)).toEqual(['refused', 'acked', 'refused', 'held'])
  expect(outcomes[0]).toMatchObject({ code: 'TOPIC_WITHOUT_GROUP' })
  expect(outcomes[2]).toMatchObject({ code: 'TOPIC_WITHOUT_GROUP' })
  await expect(transport.createTopic('silent', 1)).rejects.toMatchObject({ code: 'TOPIC_WITHOUT_GROUP' })
  expect(await transport.partitions('silent')).toBe(0)
  await transport.close()
})

it('gives a record to all groups or to none', async () => {
  await using database = await testDatabase()
  const transport = pgBoss({ connectionString: database.url, topics: { orders: ['billing', 'shipping'] } })
  await transport.connect()
  const jobs = async () => {
    const { rows } = await database.pool.query('select name, count(*)::int from pgboss.job group by 1 order by 1')
    return rows
  }
  expect(await transport.publish([record('orders', 'a', '1')])).toEqual([
    { status: 'acked', partition: 0, offset: null },
  ])
  const both = [
    { name: 'orders.billing', count: 1 },
    { name: 'orders.shipping', count: 1 },
  ]
  expect(await jobs()).toEqual(both)

  // The second group's queue disappears while pg-boss still remembers it.
  await database.pool.query(`delete from pgboss.job where name = 'orders.shipping'`)
  await database.pool.query(`delete from pgboss.queue where name = 'orders.shipping'`)
  const [outcome] = await transport.publish([record('orders', 'a', '2')])
  expect(outcome?.status).toBe('failed')
  expect(await jobs()).toEqual(both.slice(0, 1))
  expect(await transport.partitions('orders')).toBeNull()
  await transport.createTopic('orders', 1)
  expect(await transport.partitions('orders')).toBe(0)
  await transport.close()
})

it('keeps waiting jobs: they neither expire nor fail, and ids rise in the order of publishing', async () => {
  await using database = await testDatabase()
  const transport = pgBoss({ connectionString: database.url, topics: { orders: ['billing'] } })
  await transport.publish(Array.from({ length: 300 }, (_, n) => record('orders', n % 3 ? `k${n % 5}` : null, `${n}`)))
  const { rows } = await database.pool.query<{ value: string; years: number; retries: number; own: boolean }>(`
    select convert_from(decode(data->>'value', 'base64'), 'utf8') as value,
      extract(epoch from keep_until - now())::float8 / 31536000 as years, retry_limit as retries,
      singleton_key = 'job:' || id as own
    from pgboss.job order by created_on, id`)
  expect(rows.map((row) => row.value)).toEqual(Array.from({ length: 300 }, (_, n) => `${n}`))
  expect(rows.every((row) => row.years > 60 && row.retries > 2e9)).toBe(true)
  expect(rows.filter((row) => row.own)).toHaveLength(100)
  await transport.close()
})

it('commits durably for a role whose commits are asynchronous', async () => {
  await using database = await testDatabase()
  await database.pool.query(`alter database ${database.name} set synchronous_commit = off`)
  const transport = pgBoss({ connectionString: database.url, topics: { orders: ['billing'] } })
  await transport.connect()
  await database.pool.query(`
    create table seen (setting text);
    create function note() returns trigger language plpgsql as $$
      begin insert into public.seen values (current_setting('synchronous_commit')); return null; end $$;
    create trigger note after insert on pgboss.job_common for each statement execute function note()`)
  await transport.publish([record('orders', 'a', '1')])
  const { rows } = await database.pool.query('select setting from seen')
  expect(rows).toEqual([{ setting: 'on' }])
  await transport.close()
})

it('works on a pool of the caller and leaves it open', async () => {
  await using database = await testDatabase()
  const transport = pgBoss({ pool: database.pool, topics: { orders: ['billing'] }, schema: 'jobs' })
  const outcomes = await transport.publish([record('orders', 'a', '1')])
  expect(outcomes[0]?.status).toBe('acked')
  await transport.close()
  const { rows } = await database.pool.query('select count(*)::int from jobs.job')
  expect(rows).toEqual([{ count: 1 }])
})

it('refuses a queue that somebody made with another policy', async () => {
  await using database = await testDatabase()
  const first = pgBoss({ connectionString: database.url, topics: { orders: ['billing'] } })
  await first.connect()
  await first.close()
  await database.pool.query(`update pgboss.queue set policy = 'standard'`)
  const second = pgBoss({ connectionString: database.url, topics: { orders: ['billing'] } })
  await expect(second.connect()).rejects.toMatchObject({ code: 'INVALID_SETTING' })
  await second.close()
})

it('tells an unreachable database from a wrong setting', async () => {
  const nobody = pgBoss({ connectionString: 'postgres://postgres@127.0.0.1:1/none', topics: { orders: ['billing'] } })
  await expect(nobody.connect()).rejects.toMatchObject({ code: 'TRANSPORT_UNREACHABLE' })
  const [outcome] = await nobody.publish([record('orders', 'a', '1')])
  expect(outcome).toMatchObject({ status: 'failed', code: 'TRANSPORT_UNREACHABLE' })
  await nobody.close()
  const invalid = expect.objectContaining({ code: 'INVALID_SETTING' })
  expect(() => pgBoss({ topics: {} })).toThrow(invalid)
  expect(() => pgBoss({ connectionString: 'x', topics: { 'a b': ['g'] } })).toThrow(invalid)
  expect(() => pgBoss({ connectionString: 'x', topics: { a: [''] } })).toThrow(invalid)
  expect(() => pgBoss({ connectionString: 'x', topics: {}, heartbeatSeconds: 0.5 })).toThrow(invalid)
})

it('never gives two pairs of topic and group the same queue, nor one that pg-boss refuses', () => {
  expect(queueName('orders', 'billing')).toBe('orders.billing')
  const topic = fc.stringMatching(/^[a-z._-]{1,6}$/)
  const group = fc.oneof(fc.stringMatching(/^[a-z./_-]{1,6}$/), fc.string({ unit: 'binary', minLength: 1 }))
  const taken = new Map<string, string>()
  fc.assert(
    fc.property(topic, group, (t, g) => {
      if (!g.isWellFormed()) return
      const name = queueName(t, g)
      expect(name).toMatch(/^[\w.\-/]+$/)
      const pair = JSON.stringify([t, g])
      expect(taken.get(name) ?? pair).toBe(pair)
      taken.set(name, pair)
    }),
    { numRuns: 2_000 },
  )
})
