import { defineMessages, encodeHeaders, encodePayload, localIds, type RawHeader } from '@oncebox/core'
import { pgDatabase } from '@oncebox/core/pg'
import { type ConsumerOptions, createConsumer } from '@oncebox/inbox'
import { applyRoles, defaultRoles, migrate } from '@oncebox/schema'
import { type PostgresVersion, until } from '@oncebox/testkit'
import { createRoleLogins, type TestDatabase, testDatabase } from '@oncebox/testkit/harness'
import { type MemoryTransport, type MemoryTransportOptions, memoryTransport } from '@oncebox/transport/memory'
import type { ClientBase } from 'pg'
import { z } from 'zod'

export const messages = defineMessages({
  deposited: {
    topic: 'accounts',
    schema: z.object({ account: z.string(), amount: z.number() }),
    key: (data) => data.account,
  },
  viewed: { topic: 'accounts', schema: z.object({ page: z.string() }) },
  erased: { topic: 'accounts', schema: z.null() },
})

export type Contracts = typeof messages

/** What tests publish: our own wire format unless headers are given. */
export interface Sending {
  readonly id?: string
  readonly type?: string
  readonly data?: unknown
  readonly source?: string
  readonly key?: string
  readonly value?: Uint8Array | null
  /** Replaces all headers. */
  readonly headers?: readonly RawHeader[]
}

export const deposit = (account: string, amount = 1): Sending => ({
  id: localIds.next(),
  type: 'deposited',
  key: account,
  data: { account, amount },
})

/** One whose id is no UUID. */
export const foreignDeposit = (account: string, number: number): Sending => ({
  ...deposit(account, number),
  id: `invoice-${number}`,
})

/** Business tables: one row an effect, with nothing unique that could hide a double one. */
export const businessTables = `
  CREATE TABLE effect (number bigserial, message_id text, account text, amount numeric, attempt integer);
  CREATE TABLE balance (account text PRIMARY KEY, amount numeric NOT NULL);
`

const roles = defaultRoles()

/** Migrates, and lets consumers have their rights: those of oncebox's role, and the business tables of this test. */
export async function prepareBank(client: ClientBase): Promise<void> {
  await migrate(client)
  await applyRoles(client)
  await client.query(businessTables)
  await client.query(`GRANT ALL ON ALL TABLES IN SCHEMA public TO ${roles.consumer}`)
  await client.query(`GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO ${roles.consumer}`)
  await createRoleLogins(client as never, Object.values(roles))
}

/** What a consumer of these tests has: connections with the rights of one. The database's own pool is the test's eye. */
export const asConsumer = (database: Pick<TestDatabase, 'as'>) => database.as(roles.consumer)
export const consumerUrl = (database: Pick<TestDatabase, 'urlAs'>) => database.urlAs(roles.consumer)
export const asOperator = (database: Pick<TestDatabase, 'as'>) => database.as(roles.operator)

export async function businessDatabase(version: PostgresVersion = 18): Promise<TestDatabase> {
  return testDatabase({
    version,
    prepare: async ({ pool }) => {
      const client = await pool.connect()
      await prepareBank(client)
      client.release()
    },
  })
}

export interface Bench {
  readonly database: TestDatabase
  readonly transport: MemoryTransport
  send(sendings: readonly Sending[], partition?: number): Promise<void>
  consumer(
    overrides: Partial<ConsumerOptions<Contracts, ClientBase>>,
  ): ReturnType<typeof createConsumer<Contracts, ClientBase>>
  /** Ids with effects, in the order in which they committed. */
  effects(): Promise<{ message_id: string; account: string; attempt: number }[]>
  deadLetters(): Promise<{ message_id: string; reason: string; attempts: number; payload: Buffer | null }[]>
  /** Waits until the group has acked everything that was sent to the partition. */
  drained(group?: string, partition?: number): Promise<void>
  /** Waits until no key of the group waits, except behind a dead letter. */
  settled(group?: string): Promise<void>
  storedOffset(group?: string): Promise<string | undefined>
}

const topic = 'accounts'

/** One topic with one partition, one database, one group `bank`. */
export async function bench(database: TestDatabase, options: MemoryTransportOptions = {}): Promise<Bench> {
  const transport = memoryTransport({ partitions: 1, ...options })
  transport.createTopic(topic)
  const publisher = transport.publisher()
  const { pool } = database
  return {
    database,
    transport,
    async send(sendings, partition = 0) {
      await publisher.publish(
        sendings.map((sending) => ({
          topic,
          partition,
          key: sending.key === undefined ? null : Buffer.from(sending.key),
          value: sending.value === undefined ? encodePayload(sending.data ?? null).bytes : sending.value,
          headers: (sending.headers ?? wireHeaders(sending)) as [string, Uint8Array][],
        })),
      )
    },
    consumer: (overrides) =>
      createConsumer({
        db: pgDatabase(asConsumer(database)),
        subscriber: transport.subscriber(),
        group: 'bank',
        messages,
        handlers: { deposited: depositInto },
        backoff: { minMs: 1, maxMs: 5 },
        ...overrides,
      }),
    effects: async () => (await pool.query('SELECT message_id, account, attempt FROM effect ORDER BY number')).rows,
    deadLetters: async () =>
      (await pool.query('SELECT message_id, reason, attempts, payload FROM oncebox.dead_letter ORDER BY number')).rows,
    drained: (group = 'bank', partition = 0) =>
      until(
        () => {
          const end = transport.records(topic).filter((record) => record.partition === partition).length
          return transport.committed(group, topic, partition) === end
        },
        { what: `group ${group} to have acked everything`, deadlineMs: 60_000 },
      ).then(() => undefined),
    settled: (group = 'bank') =>
      until(
        async () => {
          const { rows } = await pool.query(
            `SELECT (SELECT count(*) FROM oncebox.parked_key WHERE consumer = $1 AND due_at IS NOT NULL)
               + (SELECT count(*) FROM oncebox.dead_letter WHERE consumer = $1 AND retry_at IS NOT NULL) AS due`,
            [group],
          )
          return rows[0].due === '0'
        },
        { what: `group ${group} to have settled what waits`, deadlineMs: 40_000 },
      ).then(() => undefined),
    async storedOffset(group = 'bank') {
      const { rows } = await pool.query('SELECT next_offset FROM oncebox.consumer_offset WHERE consumer = $1', [group])
      return rows[0]?.next_offset
    },
  }
}

function wireHeaders(sending: Sending): RawHeader[] {
  const headers = encodeHeaders({
    position: '1',
    id: sending.id ?? localIds.next(),
    source: sending.source ?? 'shop',
    topic,
    key: null,
    type: sending.type ?? 'deposited',
    headers: null,
    payload: null,
    contentType: 'application/json',
    createdAt: new Date().toISOString(),
  })
  return headers.map(([name, value]) => [name, Buffer.from(value)])
}

/** The effect of most tests: a row and a balance. */
export async function depositInto(
  message: { readonly id: string; readonly data: { readonly account: string; readonly amount: number } },
  { trx, attempt }: { readonly trx: ClientBase; readonly attempt: number },
): Promise<void> {
  const { account, amount } = message.data
  await trx.query('INSERT INTO effect (message_id, account, amount, attempt) VALUES ($1, $2, $3, $4)', [
    message.id,
    account,
    amount,
    attempt,
  ])
}
