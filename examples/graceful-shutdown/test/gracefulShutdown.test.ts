import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { kafkaMissing, testDatabase, testKafka } from '@oncebox/testkit/harness'
import { expect, it } from 'vitest'

const program = fileURLToPath(new URL('../main.ts', import.meta.url))
const missing = await kafkaMissing()

/** A batch, as `transport.ts` has it; and the deadline that a consumer is given to stop. */
const batchMessages = 20
const deadlineSeconds = 10

async function rollOut(environment: Record<string, string>): Promise<void> {
  await using database = await testDatabase()
  const { stdout } = await promisify(execFile)(process.execPath, [program], {
    env: { PATH: process.env.PATH, DATABASE_URL: database.url, ...environment },
    timeout: 220_000,
  })
  const [restarted, restartCosts, order, killed, killCosts] = stdout
    .trim()
    .split('\n')
    .map((line) => line.trim())
  expect(restarted).toMatch(/^rolling restart: \d+ messages handled, 0 lost, 0 twice$/)
  expect(order).toMatch(/^5 of 5 consumers left in good order, the slowest in [\d.]+ s$/)
  expect(killed).toMatch(/^one consumer killed: \d+ messages handled, 0 lost, 0 twice$/)
  const costs = [restartCosts, killCosts].map((line) => {
    const [, inVain, longest] = /^(\d+) runs in vain, longest wait ([\d.]+) s$/.exec(line ?? '') ?? []
    return { inVain: Number(inVain), longest: Number(longest) }
  })
  expect(costs[0]?.inVain).toBeLessThanOrEqual(batchMessages)
  expect(costs[0]?.longest).toBeLessThan(deadlineSeconds)
  expect(costs[1]?.inVain).toBeLessThanOrEqual(batchMessages)

  // Every scan that was emitted is there, once.
  const { rows } = await database.pool.query(
    `SELECT count(*)::int AS emitted, count(scan.message_id)::int AS handled, count(DISTINCT id)::int AS messages
     FROM oncebox.outbox LEFT JOIN scan ON message_id = id`,
  )
  const [{ emitted, handled, messages }] = rows
  expect(emitted).toBeGreaterThan(50)
  expect([handled, messages]).toEqual([emitted, emitted])
}

it(
  'G1: a rolling restart of five consumers on pg-boss loses nothing, does nothing twice, and lets no message wait longer than the deadline',
  () => rollOut({}),
  240_000,
)

it.skipIf(missing !== undefined)(
  'G1: the same on a real Kafka, where every restart is two rebalances',
  async () => {
    await rollOut({ KAFKA_BROKERS: (await testKafka()).brokers.join(',') })
  },
  240_000,
)
