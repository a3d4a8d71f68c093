import type { Database, MessageContracts } from '@oncebox/core'
import { isOnceboxError } from '@oncebox/core'
import { pgDatabase } from '@oncebox/core/pg'
import type { ConsumerEvent, Handlers } from '@oncebox/inbox'
import { migrate } from '@oncebox/schema'
import pg from 'pg'
import { NeverDone, type Receiver, startReceiver, watchedDatabase } from './delivery.js'
import type { ChaosHandler, ChaosOptions } from './options.js'
import { type SeenStatement, type StatementFate, type StatementProxy, startStatementProxy } from './statementProxy.js'
import { type TableRows, UserTables } from './userTables.js'

const schema = 'oncebox'
const group = 'chaos'

/** What one run of a schedule left behind. */
export interface Outcome {
  readonly rows: TableRows
  readonly probed: string
  /** What the consumer's deliveries sent, the handler's statements among it. */
  readonly statements: readonly SeenStatement[]
  /** What came over the connection string that `prepare` was given. */
  readonly outside: readonly SeenStatement[]
  /** Indexes of the first statement of the first handler call, and of the one behind its last. */
  readonly handler: { readonly from: number; readonly to: number }
  readonly swallowed: boolean
  /** Why the message was given up, or null. */
  readonly given: string | null
}

export interface Schedule {
  readonly decide?: (statement: SeenStatement) => StatementFate
  readonly deliver: (receivers: readonly [Receiver, Receiver]) => Promise<unknown>
  /** Sequences start so much further. */
  readonly ahead?: number
}

/** A database with the user's tables, two consumers of one group before it, and all that is needed to run schedules. */
export interface Laboratory {
  readonly tables: UserTables
  run(schedule: Schedule): Promise<Outcome>
  /** Whether a session waits for a lock. */
  blocked(): Promise<boolean>
  close(): Promise<void>
}

interface Resources {
  readonly closing: (() => unknown)[]
}

/** Prepares everything; on failure what was opened is closed. */
export async function openLaboratory<const C extends MessageContracts, T extends keyof C & string, Trx>(
  url: string,
  handler: ChaosHandler<C, T, Trx>,
  options: ChaosOptions<C, T, Trx>,
): Promise<Laboratory> {
  const resources: Resources = { closing: [] }
  const close = async (): Promise<void> => {
    for (const step of resources.closing.splice(0).reverse()) await step()
  }
  try {
    return { ...(await assemble(url, handler, options, resources)), close }
  } catch (error) {
    await close()
    throw error
  }
}

async function assemble<const C extends MessageContracts, T extends keyof C & string, Trx>(
  url: string,
  handler: ChaosHandler<C, T, Trx>,
  options: ChaosOptions<C, T, Trx>,
  { closing }: Resources,
): Promise<Omit<Laboratory, 'close'>> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  closing.push(() => client.end())
  await migrate(client)
  if (options.tables !== undefined) await client.query(options.tables)
  const watched = await proxied(url, closing)
  const outside = await proxied(url, closing)
  await options.prepare?.(outside.url)
  const tables = await UserTables.of(client, schema)

  const open = options.open ?? (openPool as unknown as NonNullable<typeof options.open>)
  const opened = (at: string): Database<Trx> => {
    const { db, close } = open(at)
    closing.push(close)
    return db
  }
  const db = watchedDatabase(opened(watched.url), opened(url))
  let events: ConsumerEvent[] = []
  let handled: { from: number; to: number } | null = null
  const handlers = observed(handler, options.message.type, async (call) => {
    const from = watched.statements.length
    try {
      return await call()
    } finally {
      handled ??= { from, to: watched.statements.length }
    }
  })
  const remembers = options.inbox ?? true
  const forget = async (): Promise<unknown> => (remembers ? undefined : client.query(`DELETE FROM ${schema}.inbox`))
  const receiver = async (name: string): Promise<Receiver> => {
    const onEvent = (event: ConsumerEvent): unknown => events.push(event)
    const { messages } = options
    const started = await startReceiver({ db, group: name, schema, messages, handlers, onEvent, before: forget })
    closing.push(() => started.stop())
    return started
  }
  // Without an inbox, two consumers at once have nothing in common that could tell them apart from two services.
  const receivers = [await receiver(group), await receiver(remembers ? group : `${group}-2`)] as const

  return {
    tables,
    async run({ decide = () => ({}), deliver, ahead = 0 }) {
      await tables.restore(ahead)
      await options.probe?.reset()
      for (const proxy of [watched, outside]) proxy.forget()
      events = []
      handled = null
      watched.decide = decide
      let given: string | null = null
      try {
        await deliver(receivers)
      } catch (error) {
        if (!(error instanceof NeverDone)) throw error
        given = error.message
      } finally {
        watched.decide = () => ({})
      }
      const dead = events.find((event) => event.type === 'deadLettered')
      return {
        rows: await tables.read(),
        probed: JSON.stringify((await options.probe?.read()) ?? null),
        statements: [...watched.statements],
        outside: [...outside.statements],
        handler: handled ?? { from: 0, to: 0 },
        swallowed: events.some((event) => event.type === 'attemptFailed' && swallowed(event.error)),
        given: dead?.type === 'deadLettered' ? `it became a dead letter (${dead.reason})` : given,
      }
    },
    async blocked() {
      const { rows } = await client.query(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' LIMIT 1`,
      )
      return rows.length > 0
    },
  }
}

async function proxied(url: string, closing: (() => unknown)[]): Promise<StatementProxy> {
  const proxy = await startStatementProxy(url)
  closing.push(() => proxy.close())
  return proxy
}

function openPool(connectionString: string) {
  const pool = new pg.Pool({ connectionString, max: 4 })
  return { db: pgDatabase(pool), close: () => pool.end() }
}

/** The handler under its type, each call of it inside `around`. */
function observed<C extends MessageContracts, T extends keyof C & string, Trx>(
  handler: ChaosHandler<C, T, Trx>,
  type: T,
  around: (call: () => unknown) => Promise<unknown>,
): Handlers<C, Trx> {
  const wrapped =
    typeof handler === 'function'
      ? (...args: Parameters<typeof handler>) => around(() => handler(...args))
      : {
          kind: 'batch' as const,
          handle: (...args: Parameters<typeof handler.handle>) => around(() => handler.handle(...args)),
        }
  return { [type]: wrapped } as unknown as Handlers<C, Trx>
}

/** A handler that caught an SQL error and went on. */
function swallowed(error: unknown): boolean {
  return isOnceboxError(error, 'TRANSACTION_ABORTED')
}
