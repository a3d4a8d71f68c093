import { MikroORM } from '@mikro-orm/postgresql'
import { type Database, defineMessages, encodeHeaders, localIds, type Tx } from '@oncebox/core'
import { kyselyDatabase } from '@oncebox/core/kysely'
import { mikroOrmDatabase } from '@oncebox/core/mikro-orm'
import { fromPg, pgDatabase, surviveConnectionLoss } from '@oncebox/core/pg'
import { postgresJsDatabase } from '@oncebox/core/postgres-js'
import { prismaDatabase } from '@oncebox/core/prisma'
import { createConsumer } from '@oncebox/inbox'
import { createOutbox } from '@oncebox/outbox'
import { migrate } from '@oncebox/schema'
import { type Pgbouncer, startPgbouncer, until } from '@oncebox/testkit'
import { pgbouncerMissing, type TestDatabase, testDatabase, uniqueName } from '@oncebox/testkit/harness'
import { memoryTransport } from '@oncebox/transport/memory'
import { PrismaPg } from '@prisma/adapter-pg'
import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { PrismaClient } from './prisma/generated/client.js'

const clients = 6
const messages = defineMessages({ x: { topic: 't', schema: z.null() } })

const libraries: Record<string, (url: string) => { database: Database<unknown>; close(): Promise<unknown> }> = {
  pg(url) {
    const pool = new pg.Pool({ connectionString: url, max: clients })
    return { database: pgDatabase(pool) as Database<unknown>, close: () => pool.end() }
  },
  Kysely(url) {
    const pool = new pg.Pool({ connectionString: url, max: clients })
    surviveConnectionLoss(pool)
    const db = new Kysely<object>({ dialect: new PostgresDialect({ pool }) })
    return { database: kyselyDatabase(db) as Database<unknown>, close: () => db.destroy() }
  },
  'postgres.js, with prepare: false'(url) {
    const sql = postgres(url, { max: clients, prepare: false, onnotice: () => {} })
    return { database: postgresJsDatabase(sql) as Database<unknown>, close: () => sql.end({ timeout: 1 }) }
  },
  MikroORM(url) {
    const orm = new MikroORM({
      entities: [],
      discovery: { warnWhenNoEntities: false },
      clientUrl: url,
      pool: { max: clients },
    })
    return { database: mikroOrmDatabase(orm) as Database<unknown>, close: () => orm.close() }
  },
  Prisma(url) {
    const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: url, max: clients }) })
    return { database: prismaDatabase(prisma) as Database<unknown>, close: () => prisma.$disconnect() }
  },
}

describe.skipIf(pgbouncerMissing())('through pgbouncer in transaction mode', () => {
  let test: TestDatabase
  let pooler: Pgbouncer
  const outbox = createOutbox({ source: 'shop', messages: {} })

  beforeAll(async () => {
    test = await testDatabase({
      async prepare({ pool }) {
        const client = await pool.connect()
        await migrate(fromPg(client)).finally(() => client.release())
        await pool.query('create table effect (message_id text)')
        // What emit raises for its own transaction, so that it would be seen in the next one of the session.
        await pool.query(
          `do $$ begin execute format('alter database %I set synchronous_commit = off', current_database()); end $$`,
        )
      },
    })
    // Every transaction gets the session that has waited longest: never the one before, as long as there are others.
    pooler = await startPgbouncer({ url: test.url, poolSize: 3, settings: { server_round_robin: '1' } })
  })
  afterAll(async () => {
    await pooler?.remove()
    await test?.drop()
  })

  describe.each(Object.entries(libraries))('%s', (_, open) => {
    const opened = async () => {
      await test.pool.query('truncate oncebox.outbox, oncebox.inbox, effect')
      const { database, close } = open(pooler.through(test.url))
      onTestFinished(() => close().then(() => undefined))
      return database
    }
    const keys = async () =>
      (await test.pool.query('select key from oncebox.outbox order by key')).rows.map((row) => row.key as string)

    it('G2: producers emit what they commit, and leave nothing in the sessions that they share', async () => {
      const database = await opened()
      const found = { pids: new Set<number>(), states: new Set<string>() }
      const look = async (tx: Tx) => {
        const { rows } = await tx.query<{ the_pid: number; the_state: string }>(
          `select pg_backend_pid()::int as the_pid, concat_ws(' ', current_setting('synchronous_commit'),
             (select count(*) from pg_prepared_statements),
             (select count(*) from pg_locks where pid = pg_backend_pid() and locktype = 'advisory')) as the_state`,
        )
        found.pids.add(rows[0]?.the_pid ?? 0)
        found.states.add(rows[0]?.the_state ?? '')
      }
      const undo = new Error('undo')
      const write = (number: number) =>
        database.transaction(async ({ tx }) => {
          await look(tx)
          await outbox.emit(tx, { topic: 't', key: `one ${number}`, type: 'x', data: { number } })
          await outbox.emitMany(tx, [{ topic: 't', key: `many ${number}`, type: 'x', data: { number } }])
          if (number % 3 === 0) throw undo
        })
      const results = await Promise.allSettled(Array.from({ length: 60 }, (_, number) => write(number)))
      const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []))
      expect(failures).toEqual(Array.from({ length: 20 }, () => undo))
      const kept = Array.from({ length: 60 }, (_, number) => number).filter((number) => number % 3 !== 0)
      expect(await keys()).toEqual([...kept.map((n) => `one ${n}`), ...kept.map((n) => `many ${n}`)].sort())
      expect([found.pids.size > 1, [...found.states]]).toEqual([true, ['off 0 0']])
    })

    it('G3: two consumers have one effect for each message, with redelivery and handlers that fail', async () => {
      const database = await opened()
      const transport = memoryTransport({ partitions: 4 })
      const group = uniqueName('g')
      transport.createTopic('t')
      const ids = Array.from({ length: 80 }, () => localIds.next())
      const failing = new Set(ids.filter((_, index) => index % 7 === 0))
      const consumers = [1, 2].map(() =>
        createConsumer({
          db: database,
          subscriber: transport.subscriber(),
          group,
          messages,
          handlers: {
            x: async ({ id }, { tx }) => {
              await tx.query('insert into effect (message_id) values ($1)', [id])
              await outbox.emit(tx, { topic: 'next', key: id, type: 'y', data: null })
              if (failing.delete(id)) throw new Error('handler failed once')
            },
          },
          backoff: { minMs: 1, maxMs: 5 },
        }),
      )
      for (const consumer of consumers) await consumer.start()
      const publisher = transport.publisher()
      const send = () =>
        publisher.publish(
          ids.map((id, index) => ({
            topic: 't',
            partition: index % 4,
            key: null,
            value: null,
            headers: headersOf(id),
          })),
        )
      await send()
      await send()
      const drained = () =>
        [0, 1, 2, 3].every((partition) => transport.committed(group, 't', partition) === ids.length / 2)
      await until(drained, { what: 'both consumers to ack everything', deadlineMs: 60_000 })
      transport.redeliver(group, 't', 0, 0)
      await until(drained, { what: 'what was redelivered to be acked', deadlineMs: 60_000 })
      for (const consumer of consumers) await consumer.stop()
      const effects = await test.pool.query('select message_id from effect order by message_id')
      expect(effects.rows.map((row) => row.message_id)).toEqual(ids.toSorted())
      expect(await keys()).toEqual(ids.toSorted())
    })
  })
})

function headersOf(id: string): [string, Uint8Array][] {
  const fields = { position: '1', id, source: 'shop', topic: 't', key: null, type: 'x', headers: null, payload: null }
  const headers = encodeHeaders({ ...fields, contentType: 'application/json', createdAt: new Date().toISOString() })
  return headers.map(([name, value]) => [name, Buffer.from(value)])
}
