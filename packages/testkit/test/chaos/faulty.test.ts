import { randomUUID } from 'node:crypto'
import { defineMessages, type Tx } from '@oncebox/core'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { testDatabase } from '../../src/harness.js'
import { chaos } from '../../src/index.js'

// Handlers that are wrong, each in another way.

const Payment = z.object({ serial: z.string(), account: z.string(), cents: z.int() })
const messages = defineMessages({ 'payment.requested': { topic: 'payments', schema: Payment } })
const data = { serial: 'P-1', account: 'A-1', cents: 250 }
const message = { type: 'payment.requested', data } as const

const tables = `
  CREATE TABLE payment (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, serial text NOT NULL, cents bigint NOT NULL, paid_at timestamptz NOT NULL DEFAULT now());
  CREATE TABLE account (id text PRIMARY KEY, cents bigint NOT NULL);
  INSERT INTO account VALUES ('A-1', 1000)`

const insertPayment = (tx: Tx, { serial, cents }: typeof data): Promise<unknown> =>
  tx.query('INSERT INTO payment (serial, cents) VALUES ($1, $2)', [serial, cents])
const debit = (tx: Tx, { account, cents }: typeof data): Promise<unknown> =>
  tx.query('UPDATE account SET cents = cents - $2 WHERE id = $1', [account, cents])

async function database(): Promise<string> {
  const created = await testDatabase()
  onTestFinished(() => created.drop())
  return created.url
}

test('a handler that keeps to its transaction is idempotent, whatever statement is hit', async () => {
  const report = await chaos(
    async ({ data: payment }, { tx }) => {
      await insertPayment(tx, payment)
      await debit(tx, payment)
    },
    { messages, message, tables, database: await database() },
  )
  expect(report.text).toContain('payment.requested: your handler is idempotent')
  expect(report.findings).toEqual([])
  // BEGIN, ids, gate, two of the handler, finish, COMMIT; before, after and instead of each.
  expect(report.statements.filter(({ own }) => own).map(({ text }) => text.split(' ')[0])).toEqual(['INSERT', 'UPDATE'])
  expect(report.runs).toBeGreaterThan(3 * report.statements.length)
  expect(report.notCompared).toEqual(['payment.number', 'payment.paid_at'])
})

test('G3: a write through a pool of its own is found, with the statement', async () => {
  let pool: pg.Pool | undefined
  const url = await database()
  onTestFinished(() => pool?.end())
  const report = await chaos(
    async ({ data: payment }, { tx }) => {
      await insertPayment(pool as pg.Pool, payment)
      await debit(tx, payment)
    },
    {
      messages,
      message,
      tables,
      database: url,
      prepare: (connectionString) => {
        pool = new pg.Pool({ connectionString })
      },
    },
  )
  expect(report.idempotent).toBe(false)
  expect(report.findings).toMatchObject([
    {
      guard: 'transaction',
      statement: { text: 'INSERT INTO payment (serial, cents) VALUES ($1, $2)' },
      differences: [expect.stringContaining('payment: 2 rows instead of 1')],
    },
  ])
})

test('a write through a connection that nobody knows of is found by the rows it leaves', async () => {
  const url = await database()
  const pool = new pg.Pool({ connectionString: url })
  onTestFinished(() => pool.end())
  const report = await chaos(
    async ({ data: payment }, { tx }) => {
      await debit(tx, payment)
      await insertPayment(pool, payment)
    },
    { messages, message, tables, database: url },
  )
  expect(report.findings).toMatchObject([
    { guard: 'transaction', differences: [expect.stringContaining('payment: 2 rows instead of 1')] },
  ])
})

test('a call that is repeated is found by the probe, and one with the message id as its idempotency key is not', async () => {
  let calls: string[] = []
  const tried = async (keyOf: (id: string) => string): Promise<Awaited<ReturnType<typeof chaos>>> =>
    chaos(
      async ({ id, data: payment }, { tx }) => {
        calls.push(keyOf(id))
        await insertPayment(tx, payment)
      },
      {
        messages,
        message,
        tables,
        database: await database(),
        probe: {
          reset: () => {
            calls = []
          },
          // The other side knows a key that comes again.
          read: () => new Set(calls).size,
        },
      },
    )
  const wrong = await tried(() => randomUUID())
  expect(wrong.findings).toMatchObject([{ guard: 'transaction', differences: ['probe: 2 instead of 1'] }])
  expect((await tried((id) => id)).idempotent).toBe(true)
})

test('what a process remembers in memory is found', async () => {
  const seen = new Set<string>()
  const report = await chaos(
    async ({ data: payment }, { tx }) => {
      if (seen.has(payment.serial)) return
      seen.add(payment.serial)
      await insertPayment(tx, payment)
    },
    { messages, message, tables, database: await database() },
  )
  expect(report.findings).toMatchObject([
    { guard: 'message', differences: [expect.stringContaining('payment: 0 rows instead of 1')] },
  ])
})

test('an error that is swallowed is found at its statement, inside a savepoint too', async () => {
  const swallowing = (savepoint: boolean) => async (payment: typeof data, tx: Tx) => {
    if (savepoint) await tx.query('SAVEPOINT before')
    try {
      await debit(tx, payment)
    } catch {
      if (savepoint) await tx.query('ROLLBACK TO SAVEPOINT before')
    }
    await insertPayment(tx, payment).catch(() => undefined)
  }
  for (const savepoint of [false, true]) {
    const handle = swallowing(savepoint)
    const report = await chaos(({ data: payment }, { tx }) => handle(payment, tx), {
      messages,
      message,
      tables,
      database: await database(),
    })
    expect(report.findings).toContainEqual(
      expect.objectContaining({
        guard: 'rethrow',
        statement: expect.objectContaining({ text: expect.stringMatching(/^UPDATE account/) }),
      }),
    )
  }
})

test('a value that the message does not determine is found', async () => {
  const report = await chaos(
    async ({ data: payment }, { tx }) => {
      await insertPayment(tx, { ...payment, serial: randomUUID() })
    },
    { messages, message, tables, database: await database() },
  )
  expect(report.findings).toMatchObject([
    { guard: 'message', statement: { text: expect.stringMatching(/^INSERT INTO payment/) } },
  ])
})

test('a business key without a guard is found under two ids, and so is a check before the insert, at once', async () => {
  const unguarded = await chaos(
    async ({ data: payment }, { tx }) => {
      await insertPayment(tx, payment)
    },
    { messages, message, tables, oncePerRequest: ['payment'], database: await database() },
  )
  expect(unguarded.findings).toMatchObject([{ guard: 'businessKey', differences: [expect.stringContaining('2 rows')] }])

  const checking = await chaos(
    async ({ data: payment }, { tx }) => {
      const { rows } = await tx.query('SELECT FROM payment WHERE serial = $1', [payment.serial])
      if (rows.length === 0) await insertPayment(tx, payment)
    },
    { messages, message, tables, oncePerRequest: ['payment'], database: await database() },
  )
  expect(checking.findings).toMatchObject([
    { guard: 'businessKey', story: 'two messages with the same data and different ids ran at once' },
  ])
})

test('a counter is idempotent by the inbox alone, which is found where there is none', async () => {
  const counting = async (inbox: boolean): Promise<Awaited<ReturnType<typeof chaos>>> =>
    chaos(
      async ({ data: payment }, { tx }) => {
        await debit(tx, payment)
      },
      { messages, message, tables, inbox, database: await database() },
    )
  expect((await counting(true)).idempotent).toBe(true)
  const report = await counting(false)
  expect(report.findings[0]).toMatchObject({
    guard: 'versioned',
    statement: { text: expect.stringContaining('UPDATE') },
  })
})

test('a handler that fails without any fault is not tried further', async () => {
  const failing = chaos(
    () => {
      throw new Error('never works')
    },
    { messages, message, tables, database: await database() },
  )
  await expect(failing).rejects.toThrow(
    'chaos: the handler fails without any fault: it became a dead letter (HANDLER_FAILED)',
  )
})
