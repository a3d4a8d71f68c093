import { fromPg } from '@oncebox/core/pg'
import { discardDeadLetters, retryDeadLetters } from '@oncebox/ops'
import { until } from '@oncebox/testkit'
import type { TestDatabase } from '@oncebox/testkit/harness'
import type pg from 'pg'
import { afterEach, expect, test } from 'vitest'
import { killing, ownDatabase, seeded } from './chaos.js'
import { asOperator, type Bench, bench, businessDatabase, deposit, depositInto } from './fixture.js'

let database: TestDatabase | undefined
const closes: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const close of closes.splice(0).reverse()) await close()
  await database?.drop()
  database = undefined
})

test('G3, G4: 8 consumers, 1,200 messages twice, killed backends, and operators who retry and discard meanwhile', async () => {
  database = await businessDatabase()
  const it: Bench = await bench(database, { partitions: 8 })
  const { pool } = database
  const operatorPool = asOperator(database)
  const random = seeded(7)
  const accounts = 40
  const sent = Array.from({ length: 1200 }, (_, index) => deposit(`a${index % accounts}`, index))
  const doomed = new Set(sent.filter((_, index) => index % 97 === 13).map(({ id }) => id))
  const discarded = new Set<string>()

  for (let worker = 0; worker < 8; worker++) {
    const consumer = it.consumer({
      db: ownDatabase(database, closes),
      attempts: 2,
      batchMessages: 40,
      redrivePollMs: 15,
      handlers: {
        deposited: async (message, context) => {
          await depositInto(message, context)
          if (doomed.has(message.id) || random() < 0.02) throw new Error('poison')
        },
      },
    })
    closes.push(() => consumer.stop())
    await consumer.start()
  }
  const send = (from: number, to: number) => {
    const byPartition = Map.groupBy(sent.slice(from, to), ({ key }) => Number(key?.slice(1)) % 8)
    return Promise.all([...byPartition].map(([partition, list]) => it.send([...list, ...list], partition)))
  }
  await send(0, 600)

  let over = false
  const stopKilling = killing(database, random)
  const operate = async (work: (client: pg.PoolClient) => Promise<void>) => {
    const client = await operatorPool.connect()
    try {
      await client.query('BEGIN')
      await work(client)
      await client.query('COMMIT')
    } catch (error) {
      await client.query('ROLLBACK')
      throw error
    } finally {
      client.release()
    }
  }
  const waiting = async () =>
    (
      await pool.query(
        `SELECT (SELECT count(*)::int FROM oncebox.parked_key) + (SELECT count(*)::int FROM oncebox.dead_letter) AS rows`,
      )
    ).rows[0].rows as number
  const operator = (name: string) => async () => {
    while (!over) {
      await operate(async (client) => {
        await retryDeadLetters(fromPg(client), { filter: { group: 'bank' }, by: name, limit: 5 })
      })
      await operate(async (client) => {
        const { rows } = await client.query<{ number: string }>(
          'SELECT number::text FROM oncebox.dead_letter WHERE attempts >= 3 ORDER BY random() LIMIT 1',
        )
        const numbers = rows.map(({ number }) => number)
        await discardDeadLetters(fromPg(client), { filter: { numbers }, by: name, why: 'doomed' })
      })
      // An operator looks now and then; without a pause the loop would starve the consumers it races with.
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
  const operators = [operator('ann')(), operator('ben')()]
  await send(600, 1200)
  try {
    await Promise.all(Array.from({ length: 8 }, (_, partition) => it.drained('bank', partition)))
    await until(async () => (await waiting()) === 0, { what: 'everything handled or discarded', deadlineMs: 60_000 })
  } finally {
    over = true
    await Promise.all([stopKilling(), ...operators])
  }

  const audit = await pool.query("SELECT message_id FROM oncebox.dead_letter_action WHERE action = 'discard'")
  for (const { message_id } of audit.rows) discarded.add(message_id)
  expect(discarded.size).toBe(audit.rows.length)
  const effects = await it.effects()
  for (let account = 0; account < accounts; account++) {
    const wanted = sent.filter(({ key, id }) => key === `a${account}` && !discarded.has(id as string))
    const had = effects.filter((row) => row.account === `a${account}`).map((row) => row.message_id)
    expect(had).toEqual(wanted.map(({ id }) => id))
  }
  expect([...doomed].filter((id) => !discarded.has(id as string))).toEqual([])
}, 180_000)
