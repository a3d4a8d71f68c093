import { readFileSync } from 'node:fs'
import { classifyTransactionError, isOnceboxError, sqlState } from '@oncebox/core'
import { fromPrisma, prismaDatabase } from '@oncebox/core/prisma'
import { testDatabase } from '@oncebox/testkit/harness'
import { PrismaPg } from '@prisma/adapter-pg'
import { expect, it } from 'vitest'
import { failureOf } from './adapterKit.js'
import { describeAdapter } from './adapterSuite.js'
import { type Prisma, PrismaClient } from './prisma/generated/client.js'

const clientOf = (url: string) =>
  new PrismaClient({
    adapter: new PrismaPg({ connectionString: url, max: 2 }),
    transactionOptions: { maxWait: 60_000, timeout: 60_000 },
  })

/** For a transaction that its time limit is to end. */
async function queryForever(trx: Prisma.TransactionClient): Promise<never> {
  for (;;) await fromPrisma(trx).query('select 1')
}

describeAdapter<Prisma.TransactionClient>(
  'Prisma',
  (url) => {
    const prisma = clientOf(url)
    return {
      database: prismaDatabase(prisma),
      transaction: (work) => prisma.$transaction(work),
      nested: (trx, work) => trx.$transaction(work),
      insert: (trx, text) => trx.note.create({ data: { text } }),
      outside: prisma,
      close: () => prisma.$disconnect(),
    }
  },
  { tellsEnd: true, unreachable: { port: 'P1001', pathname: 'P1003' } },
)

it('Prisma: a conflict of the library’s own statement is told from a fault of the work', async () => {
  await using test = await testDatabase()
  await test.pool.query("create table note (text text primary key, other text); insert into note values ('a')")
  const prisma = clientOf(test.url)
  const conflicting = prisma.$transaction(
    async (trx) => {
      await trx.note.findMany()
      await test.pool.query("update note set other = 'first'")
      await trx.note.update({ where: { text: 'a' }, data: { other: 'second' } })
    },
    { isolationLevel: 'RepeatableRead' },
  )
  const error = await failureOf(conflicting)
  expect(error).toMatchObject({ code: 'P2034' })
  expect([sqlState(error), classifyTransactionError(error)]).toEqual(['40001', 'conflict'])
  const missing = await failureOf(prisma.note.delete({ where: { text: 'nobody' } }))
  expect(missing).toMatchObject({ code: 'P2025' })
  expect([sqlState(missing), classifyTransactionError(missing)]).toEqual([undefined, 'other'])
  await prisma.$disconnect()
})

it('Prisma: a transaction that its own timeout ended has ended', async () => {
  await using test = await testDatabase()
  const prisma = clientOf(test.url)
  const endless = prisma.$transaction(queryForever, { timeout: 1 })
  expect(isOnceboxError(await failureOf(endless), 'TRANSACTION_ENDED')).toBe(true)
  await prisma.$disconnect()
})

it('Prisma: its limits of a transaction are lifted for a consumer’s', async () => {
  await using test = await testDatabase()
  const adapter = new PrismaPg({ connectionString: test.url })
  const prisma = new PrismaClient({ adapter, transactionOptions: { maxWait: 60_000, timeout: 1 } })
  const { rows } = await prismaDatabase(prisma).transaction(async ({ tx }) => {
    // One that began later and has the limit is over, so the limit has passed for this one too.
    expect(isOnceboxError(await failureOf(prisma.$transaction(queryForever)), 'TRANSACTION_ENDED')).toBe(true)
    return tx.query('select 1 as one')
  })
  expect(rows).toEqual([{ one: 1 }])
  await prisma.$disconnect()
})

it('Prisma: the generated client is of the version that is installed', () => {
  const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8')
  const { version } = JSON.parse(read('../../node_modules/@prisma/client/package.json'))
  expect(read('prisma/generated/internal/class.ts')).toContain(`"clientVersion": "${version}"`)
})
