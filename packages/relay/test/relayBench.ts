import { createRelay, type Relay, type RelayEvent, type RelayOptions } from '@oncebox/relay'
import { applyRoles, defaultRoles, type MigrateOptions, migrate } from '@oncebox/schema'
import { until } from '@oncebox/testkit'
import {
  createRoleLogins,
  type TestDatabase,
  type TestDatabaseOptions,
  testDatabase,
  urlAs,
} from '@oncebox/testkit/harness'
import { type MemoryTransport, memoryTransport } from '@oncebox/transport/memory'
import pg from 'pg'

/**
 * A database with the schema in it, and sessions and relays that end with it. What the bench emits it emits as a producer, and
 * its relays have the rights of a relay; everything else is the owner's: what tests look at, and the faults they make.
 */
export interface Bench extends AsyncDisposable {
  readonly database: Pick<TestDatabase, 'url' | 'pool'>
  /** What a relay here has: a pool with the rights of one. */
  readonly relayPool: pg.Pool
  readonly transport: MemoryTransport
  readonly events: RelayEvent[]
  /** A session of its own. */
  open(): Promise<pg.Client>
  /** Commits one message, in a transaction of its own. */
  emit(topic: string, key: string | null, text: string): Promise<void>
  /** A relay on the in-memory transport unless told otherwise; stopped at the end. */
  relay(options?: Partial<RelayOptions>): Relay
  /** The values published to a topic, as text, in order. */
  values(topic: string): string[]
  /** Commits `count` messages in one transaction, quickly: keys k0 to k9, values 1, 2, …. */
  fill(topic: string, count: number, payloadBytes?: number): Promise<void>
  query<Row extends object = Record<string, unknown>>(text: string, values?: unknown[]): Promise<Row[]>
}

export async function bench(options: TestDatabaseOptions & { transport?: MemoryTransport } = {}): Promise<Bench> {
  const database = await testDatabase({ ...options, prepare: ({ url }) => migrated(url) })
  return benchOn(database, database.drop, options.transport)
}

export async function migrated(url: string, options: MigrateOptions = {}): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await migrate(client, options)
    await applyRoles(client, options.schema === undefined ? {} : { schema: options.schema })
    await createRoleLogins(client, Object.values(defaultRoles(options.schema)))
  } finally {
    await client.end()
  }
}

export function benchOn(
  database: Pick<TestDatabase, 'url' | 'pool'>,
  dispose: () => Promise<unknown>,
  transport: MemoryTransport = memoryTransport(),
): Bench {
  const roles = defaultRoles()
  const [producer, relayPool] = [roles.producer, roles.relay].map((role) => calmPool(urlAs(database.url, role))) as [
    pg.Pool,
    pg.Pool,
  ]
  const clients: pg.Client[] = []
  const relays: Relay[] = []
  const events: RelayEvent[] = []
  return {
    database,
    relayPool,
    transport,
    events,
    async open() {
      const client = new pg.Client({ connectionString: database.url })
      client.on('error', () => undefined)
      await client.connect()
      clients.push(client)
      return client
    },
    async emit(topic, key, text) {
      await producer.query('select oncebox.emit($1, $2, $3, $4::text)', [topic, key, 'thing.happened', text])
    },
    relay(own = {}) {
      const relay = createRelay({
        pool: relayPool,
        publisher: transport.publisher(),
        onEvent: (event) => events.push(event),
        ...own,
      })
      relays.push(relay)
      return relay
    },
    values: (topic) => texts(transport, topic),
    async fill(topic, count, payloadBytes = 0) {
      await database.pool.query(
        `insert into oncebox.outbox (id, source, topic, key, type, payload)
        select gen_random_uuid(), 'bench', $1, 'k' || i % 10, 'thing.happened',
          convert_to(rpad(i::text, greatest($3::int, length(i::text)), ' '), 'UTF8')
        from generate_series(1, $2::int) as i`,
        [topic, count, payloadBytes],
      )
    },
    async query<Row extends object>(text: string, values: unknown[] = []) {
      return (await database.pool.query<Row>(text, values)).rows
    },
    async [Symbol.asyncDispose]() {
      await Promise.allSettled(relays.map((relay) => relay.stop({ deadlineMs: 2_000 })))
      await Promise.allSettled(clients.map((client) => client.end()))
      await Promise.allSettled([producer.end(), relayPool.end()])
      await dispose()
    },
  }
}

/** A pool whose connections may be terminated at any time, also while they are being closed. */
export function calmPool(url: string): pg.Pool {
  const pool = new pg.Pool({ connectionString: url })
  pool.on('error', () => undefined)
  pool.on('connect', (client) => client.on('error', () => undefined))
  return pool
}

export function texts(transport: MemoryTransport, topic: string): string[] {
  return transport.records(topic).map((record) => Buffer.from(record.value ?? []).toString())
}

/** Waits until the topic holds exactly these values, in order. */
export function published(at: Bench, topic: string, values: readonly string[]): Promise<unknown> {
  const wanted = JSON.stringify(values)
  return until(() => JSON.stringify(at.values(topic)) === wanted, { what: `${topic} to hold ${wanted}` })
}
