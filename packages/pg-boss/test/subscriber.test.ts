import { fileURLToPath } from 'node:url'
import { silentLogger } from '@oncebox/core'
import { pgBoss } from '@oncebox/pg-boss'
import { spawnNode, until } from '@oncebox/testkit'
import { testDatabase } from '@oncebox/testkit/harness'
import { expect, it } from 'vitest'
import { record, subscribing, taking, text } from './record.js'

const hangingWorker = fileURLToPath(new URL('processes/hangingWorker.mjs', import.meta.url))

it('G4: several consumers of a group get the records of a key one after the other, in order', async () => {
  await using database = await testDatabase()
  const options = { connectionString: database.url, topics: { orders: ['billing'] } }
  const transports = [pgBoss(options), pgBoss(options), pgBoss(options)]
  const seen = new Map<string, number[]>()
  const running = new Set<string>()
  const by = new Set<number>()
  for (const [worker, transport] of transports.entries()) {
    await transport.subscribe(
      { ...subscribing('orders', 'billing'), maxRecords: 4 },
      taking(async (records) => {
        by.add(worker)
        const keys = records.map((each) => text(each.key))
        for (const key of keys) {
          expect(running.has(key)).toBe(false)
          running.add(key)
        }
        await new Promise((resolve) => setImmediate(resolve))
        for (const each of records) {
          const key = text(each.key)
          seen.set(key, [...(seen.get(key) ?? []), Number(text(each.value))])
        }
        for (const key of keys) running.delete(key)
      }),
    )
  }
  const publisher = transports[0] as (typeof transports)[0]
  for (let call = 0; call < 6; call++) {
    const outcomes = await publisher.publish(
      Array.from({ length: 50 }, (_, n) => record('orders', `k${n % 10}`, `${call * 50 + n}`)),
    )
    expect(outcomes.every((outcome) => outcome.status === 'acked')).toBe(true)
  }
  await until(() => [...seen.values()].flat().length >= 300, { what: 'all records' })
  for (const values of seen.values()) expect(values).toEqual([...values].sort((a, b) => a - b))
  expect([...seen.values()].flat()).toHaveLength(300)
  expect(by.size).toBeGreaterThan(1)
  await Promise.all(transports.map((transport) => transport.close()))
})

it('gives the jobs of a killed worker to another within seconds, before later ones of their key', async () => {
  await using database = await testDatabase()
  const options = { connectionString: database.url, topics: { orders: ['billing'] }, heartbeatSeconds: 5 }
  const transport = pgBoss(options)
  await transport.publish([record('orders', 'a', '1'), record('orders', 'b', '2')])
  await using worker = spawnNode(hangingWorker, [database.url, 'orders', 'billing', '5'])
  await worker.waitForLine((line) => line.startsWith('took'))
  await transport.publish([record('orders', 'a', '3'), record('orders', 'c', '4')])

  const seen: string[] = []
  const again: string[] = []
  await transport.subscribe(
    subscribing('orders', 'billing'),
    taking((records) => {
      seen.push(...records.map((each) => text(each.value)))
      again.push(...records.filter((each) => each.redelivered).map((each) => text(each.value)))
    }),
  )
  // The hanging worker shows signs of life, so its jobs, and what waits behind them, stay where they are.
  await until(() => seen.includes('4'), { what: 'the record of the free key' })
  expect(seen).toEqual(['4'])
  await worker.kill('SIGKILL')
  const killed = performance.now()
  await until(() => seen.length === 4, { what: 'the records of the killed worker', deadlineMs: 25_000 })
  console.info(`the jobs of a killed worker came back in ${Math.round(performance.now() - killed)} ms`)
  expect(performance.now() - killed).toBeLessThan(20_000)
  expect(seen.indexOf('3')).toBeGreaterThan(seen.indexOf('1'))
  expect([...seen].sort()).toEqual(['1', '2', '3', '4'])
  expect(again.sort()).toEqual(['1', '2'])
  await transport.close()
})

it('aborts the batch of a worker whose jobs went to another, and completes nothing in its name', async () => {
  await using database = await testDatabase()
  const options = { connectionString: database.url, topics: { orders: ['billing'] }, heartbeatSeconds: 3 }
  const transport = pgBoss(options)
  await transport.publish([record('orders', 'a', '1'), record('orders', 'a', '2')])
  let aborted = false
  const values: string[] = []
  const stale = Promise.withResolvers<void>()
  await transport.subscribe(
    subscribing('orders', 'billing'),
    taking(async (records, { signal }) => {
      values.push(...records.map((each) => text(each.value)))
      if (values.length > 1) return
      // What upkeep does to the jobs of a worker it thinks dead: the claim ends, and the next one counts up.
      await database.pool.query(`update pgboss.job set retry_count = retry_count + 1 where state = 'active'`)
      signal.addEventListener('abort', () => {
        aborted = true
        stale.resolve()
      })
      await stale.promise
    }),
  )
  await until(() => aborted, { what: 'the abort' })
  const { rows } = await database.pool.query(`select state from pgboss.job where state = 'completed'`)
  expect(rows).toEqual([])
  await until(() => values.length === 3, { what: 'the second delivery' })
  expect(values).toEqual(['1', '1', '2'])
  await transport.close()
})

it('is refused for a group that is not declared', async () => {
  await using database = await testDatabase()
  const transport = pgBoss({ connectionString: database.url, topics: { orders: ['billing'] } })
  const handler = taking(() => undefined)
  await expect(transport.subscribe(subscribing('orders', 'shipping'), handler)).rejects.toMatchObject({
    code: 'TOPIC_MISSING',
  })
  await expect(transport.subscribe(subscribing('payments', 'billing'), handler)).rejects.toMatchObject({
    code: 'TOPIC_MISSING',
  })
  expect(await transport.retentionMs('orders')).toBe(-1)
  await transport.close()
})

it('delivers a record again no sooner than asked, and holds its key back meanwhile', async () => {
  await using database = await testDatabase()
  const transport = pgBoss({ connectionString: database.url, topics: { orders: ['billing'] } })
  await transport.publish(['1', '2', '3'].map((value) => record('orders', 'a', value)))
  const values: string[] = []
  const times: number[] = []
  await transport.subscribe(
    { ...subscribing('orders', 'billing'), logger: silentLogger },
    {
      assigned: async () => new Map(),
      revoked: async () => undefined,
      async batch({ records }) {
        values.push(...records.map((each) => text(each.value)))
        times.push(performance.now())
        return values.length < 3 ? { done: 0, retryAfterMs: 300 } : { done: records.length }
      },
    },
  )
  await until(() => values.length === 5, { what: 'all records' })
  expect(values).toEqual(['1', '1', '1', '2', '3'])
  expect((times[1] as number) - (times[0] as number)).toBeGreaterThanOrEqual(295)
  await transport.close()
})
