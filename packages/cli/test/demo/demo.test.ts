import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fromPg } from '@oncebox/core/pg'
import { spawnNode, until } from '@oncebox/testkit'
import { kafkaMissing, testDatabase, testKafka } from '@oncebox/testkit/harness'
import { describe, expect, test } from 'vitest'
import { type Account, settle } from '../../dist/demo/account.js'
import { createBillingTables, createShopTables, readBalances, readLedger, readOrders } from '../../dist/demo/tables.js'

const script = fileURLToPath(new URL('runDemo.mjs', import.meta.url))
const runMs = 240_000
const missing = await kafkaMissing()

async function demo(args: string[], env = {}): Promise<{ account: Account; exitCode: number | null }> {
  await using process = spawnNode(script, args, { env })
  const { exitCode } = await process.ended
  if (process.lines.length !== 1) throw new Error(`unexpected output: ${process.lines.join('\n')}\n${process.stderr}`)
  return { account: JSON.parse(process.lines[0] as string) as Account, exitCode }
}

function expectSound(account: Account, messages: number): void {
  expect(account).toMatchObject({
    emitted: messages,
    applied: messages,
    duplicatesApplied: 0,
    lost: 0,
    orderViolations: 0,
    phantom: 0,
  })
  expect(account.duplicatesReceived).toBeGreaterThan(0)
  expect(account.received).toBe(messages + account.duplicatesReceived)
  expect(account.published).toBeGreaterThanOrEqual(messages)
  expect(account.relayKills).toBeGreaterThanOrEqual(3)
  expect(account.consumerKills).toBeGreaterThanOrEqual(3)
}

describe('the demo', () => {
  test(
    'G1, G2, G3, G4: kills, lost acks and rollbacks on pg-boss leave no trace in the account',
    async () => {
      const { account, exitCode } = await demo(['--messages', '1500', '--seed', '7'])
      expectSound(account, 1_500)
      expect(exitCode).toBe(0)
    },
    runMs,
  )

  test.skipIf(missing !== undefined)(
    'G1, G2, G3, G4: the same on a real Kafka',
    async () => {
      const { brokers } = await testKafka()
      const { account, exitCode } = await demo(['--messages', '1500', '--seed', '8', '--kafka'], {
        KAFKA_BROKERS: brokers.join(','),
      })
      expectSound(account, 1_500)
      expect(exitCode).toBe(0)
    },
    runMs,
  )

  test(
    'says on stderr what it does, and leaves no file behind when it is interrupted',
    async () => {
      const directory = await mkdtemp(join(tmpdir(), 'oncebox-test-'))
      await chmod(directory, 0o755)
      const leftBehind = async () => (await readdir(directory)).filter((name) => /-(demo|postgres)-\w+$/.test(name))
      try {
        await using process = spawnNode(script, ['--messages', '5000', '--seed', '9'], { env: { TMPDIR: directory } })
        await until(() => process.stderr.includes('SIGKILL'), { deadlineMs: 120_000, what: 'the first kill' })
        expect(await leftBehind()).toHaveLength(2)
        expect((await process.kill('SIGINT')).exitCode).toBe(130)
        expect(process.lines).toEqual([])
        expect(process.stderr).toContain('interrupted')
        expect(await leftBehind()).toEqual([])
      } finally {
        await rm(directory, { recursive: true, force: true })
      }
    },
    runMs,
  )

  test('its account reads a second booking, a lost order and a phantom from the services’ own tables', async () => {
    await using database = await testDatabase()
    const client = await database.pool.connect()
    const tx = fromPg(client)
    await createShopTables(tx)
    await createBillingTables(tx)
    const id = (n: number) => `00000000-0000-4000-8000-00000000000${n}`
    for (const n of [1, 2, 3]) await tx.query('insert into orders values ($1, 1, $2, 10)', [id(n), n])
    const book = async (n: number) => {
      await tx.query('insert into ledger (order_id, account, sequence, amount) values ($1, 1, $2, 10)', [id(n), n])
      await tx.query(
        'insert into balance values (1, 10) on conflict (account) do update set total = balance.total + 10',
      )
    }
    const settled = async () =>
      settle({
        orders: await readOrders(tx),
        ledger: await readLedger(tx),
        balances: await readBalances(tx),
        deliveries: [id(1), id(2), id(3)],
        published: 3,
        relayKills: 0,
        consumerKills: 0,
        seconds: 0,
      })
    await book(2)
    await book(1)
    expect(await settled()).toMatchObject({ lost: 1, orderViolations: 1, duplicatesApplied: 0, phantom: 0 })
    await book(3)
    await book(3)
    await book(9)
    expect(await settled()).toMatchObject({ lost: 0, duplicatesApplied: 1, phantom: 1, applied: 3 })
    client.release()
  })
})
