import { randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { localIds } from '@oncebox/core'
import { pgDatabase } from '@oncebox/core/pg'
import { type KafkaTransport, kafka } from '@oncebox/kafka'
import { createOutbox } from '@oncebox/outbox'
import { createRelay, type Relay } from '@oncebox/relay'
import { migrate } from '@oncebox/schema'
import { type History, judgeHistory, until, type Violation } from '@oncebox/testkit'
import pg from 'pg'
import type { Servers } from '../servers.js'
import { createBilling } from '../shop/billing.js'
import { bookOrder } from '../shop/bookOrders.js'
import { placeOrders } from '../shop/placeOrders.js'
import { shopHistory, unbooked } from '../shop/shopHistory.js'
import { createShopTables } from '../shop/tables.js'
import { auditTopic, type TopicAuditor } from '../shop/topicAuditor.js'
import { victimTuning } from './victimOptions.js'

/** How long anything may take, and how long nothing may move; a busy machine takes seconds. */
const patienceMs = 60_000

/** Past what the inbox remembers, and of a leaf that is not in use again yet. */
const longAgoMs = 11 * 86_400_000

interface LateOrder {
  readonly id: string
  readonly account: number
  readonly amount: number
  readonly messageId: string
}

/**
 * A database, a topic and a group with everything that has ever happened there, and the parts of the system that are not
 * to be killed, in this process. Crashes follow each other on it, and its whole history is judged after each.
 */
export class Rig implements AsyncDisposable {
  readonly url: string
  readonly topic: string
  readonly group: string
  readonly deliveryLog: string
  readonly brokers: readonly string[]
  readonly pool: pg.Pool
  /** For the parts of the system; `pool` is the bystander's. */
  readonly #partsPool: pg.Pool
  readonly #servers: Servers
  readonly #directory: string
  readonly #transport: KafkaTransport
  readonly #auditor: TopicAuditor
  readonly #rolledBack: string[] = []
  #relay: Relay | undefined
  #billing: ReturnType<typeof createBilling> | undefined

  private constructor(
    servers: Servers,
    parts: {
      url: string
      topic: string
      directory: string
      auditor: TopicAuditor
      transport: KafkaTransport
      pool: pg.Pool
    },
  ) {
    this.#servers = servers
    this.brokers = servers.brokers
    this.url = parts.url
    this.pool = parts.pool
    this.#partsPool = connections(servers.wired(parts.url))
    this.topic = parts.topic
    this.group = `${parts.topic}-billing`
    this.#directory = parts.directory
    this.deliveryLog = join(parts.directory, 'deliveries')
    this.#transport = parts.transport
    this.#auditor = parts.auditor
  }

  /** Its parts do not run yet. */
  static async make(servers: Servers, topic: string): Promise<Rig> {
    const url = await servers.createDatabase()
    const pool = connections(url)
    const client = await pool.connect()
    await migrate({ query: (text, values) => client.query(text, values as unknown[]) })
    await createShopTables({ query: (text, values) => client.query(text, values as unknown[]) })
    client.release()
    const transport = kafka({ brokers: [...servers.brokers], ...victimTuning })
    await transport.createTopic(topic, 3)
    const auditor = await auditTopic(servers.brokers, topic)
    const directory = await mkdtemp(join(tmpdir(), 'oncebox-proof-'))
    const rig = new Rig(servers, { url, topic, directory, auditor, transport, pool })
    await writeFile(rig.deliveryLog, '')
    return rig
  }

  async startRelay(): Promise<void> {
    const pool = this.#partsPool
    this.#relay ??= createRelay({ pool, publisher: this.#transport, leaseMs: victimTuning.leaseMs })
    if (this.#relay.state === 'idle') await this.#relay.start()
  }

  async stopRelay(): Promise<void> {
    await this.#relay?.stop({ deadlineMs: patienceMs })
    this.#relay = undefined
  }

  get relayHolds(): boolean {
    return this.#relay?.state === 'holder'
  }

  async startBilling(): Promise<void> {
    this.#billing ??= createBilling({ ...this.coordinates, pool: this.#partsPool, subscriber: this.#transport })
    await this.#billing.start()
  }

  async stopBilling(): Promise<void> {
    await this.#billing?.stop({ deadlineMs: patienceMs })
    this.#billing = undefined
  }

  async place(transactions: number, random: () => number): Promise<void> {
    const { topic } = this
    const pool = this.#partsPool
    const onRollback = (ids: readonly string[]): void => void this.#rolledBack.push(...ids)
    await placeOrders({ pool, topic, random, writers: 3, transactions, onRollback })
  }

  /** What a process needs to take part. */
  get coordinates() {
    const { brokers, topic, group, deliveryLog } = this
    return { url: this.#servers.wired(this.url), brokers, topic, group, deliveryLog }
  }

  /** An empty database beside this one. */
  async otherDatabase(): Promise<{ readonly url: string } & AsyncDisposable> {
    const url = await this.#servers.createDatabase()
    return { url, [Symbol.asyncDispose]: () => this.#servers.dropDatabase(url) }
  }

  /** An order that was booked longer ago than the inbox remembers: its id is in a leaf that may be emptied. */
  async bookLongAgo(): Promise<LateOrder> {
    const order = { id: randomUUID(), account: 0, amount: 7 }
    const messageId = localIds.next(Date.now() - longAgoMs)
    await pgDatabase(this.pool).transaction(async ({ tx }) => {
      await tx.query(
        `with held as (update account set sequence = sequence + 1 where id = 0 returning sequence)
         insert into orders select $1::uuid, 0, sequence, $2::int from held`,
        [order.id, order.amount],
      )
      await tx.query('insert into oncebox.inbox (consumer, message_id) values ($1, $2)', [this.group, messageId])
      const { rows } = await tx.query<{ sequence: number }>('select sequence from orders where id = $1', [order.id])
      await bookOrder({ data: { ...order, sequence: rows[0]?.sequence ?? 0 } }, tx)
    })
    return { ...order, messageId }
  }

  async hasForgotten({ messageId }: LateOrder): Promise<boolean> {
    const { rows } = await this.pool.query('select 1 from oncebox.inbox where message_id = $1::uuid', [messageId])
    return rows.length === 0
  }

  /** Publishes such an order (for the first time here, so that its record is there) and waits until it was refused. */
  async emitAgain({ messageId, ...order }: LateOrder): Promise<void> {
    const outbox = createOutbox({ source: 'shop' })
    const { topic } = this
    await pgDatabase(this.pool).transaction(({ tx }) =>
      outbox.emit(tx, { topic, key: `${order.account}`, type: 'order.placed', data: order, id: messageId }),
    )
    await until(
      async () => {
        const { rows } = await this.pool.query('select 1 from oncebox.dead_letter where message_id = $1::text', [
          messageId,
        ])
        return rows.length > 0
      },
      { what: 'the late message to be refused', deadlineMs: patienceMs },
    )
  }

  noteRollbacks(lines: readonly string[]): void {
    for (const line of lines) if (line.startsWith('rolled back ')) this.#rolledBack.push(...line.split(' ').slice(2))
  }

  /** Waits until every order that is committed by now is booked, as long as it takes while some are booked. */
  async bookedByNow(): Promise<void> {
    const waiting = await until(() => unbooked(this.pool), { what: 'the database to answer', deadlineMs: patienceMs })
    await whileItGoesOn(async () => (await unbooked(this.pool, waiting)).length, 'orders are left to be booked')
  }

  /** Waits until every committed order is booked and everything published was read; then judges all of the history. */
  async settleAndJudge(mostDuplicates: number): Promise<{ violations: Violation[]; history: History }> {
    let settled = true
    await whileItGoesOn(async () => {
      const left = (await unbooked(this.pool)).length
      return left > 0 || (await this.#auditor.caughtUp()) ? left : 1
    }, 'orders are left to be booked, or records to be read').catch(() => {
      // What has not come by now is lost: the judge says what.
      settled = false
    })
    const { pool, topic, group, deliveryLog } = this
    const told = await shopHistory({
      pool,
      topic,
      group,
      deliveryLog,
      records: this.#auditor.records,
      rolledBack: this.#rolledBack,
    })
    const history: History = { ...told, settled: true, faults: true, mostDuplicates }
    const violations = judgeHistory(history)
    if (!settled && violations.length === 0)
      throw new Error('the system did not come to rest, and yet nothing is missing')
    return { violations, history }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled([this.stopRelay(), this.stopBilling()])
    await this.#auditor.close().catch(() => undefined)
    // A Kafka that others use too keeps nothing of this.
    await this.#transport.deleteTopic(this.topic).catch(() => undefined)
    await this.#transport.close()
    await Promise.all([this.pool.end(), this.#partsPool.end()])
    await this.#servers.dropDatabase(this.url)
    await rm(this.#directory, { recursive: true, force: true })
  }
}

function connections(connectionString: string): pg.Pool {
  const pool = new pg.Pool({ connectionString, max: 12 })
  // One that is lost while idle is the pool's business, one that is lost at work its user's.
  pool.on('error', () => undefined)
  pool.on('connect', (client) => client.on('error', () => undefined))
  return pool
}

/** Waits until nothing is left. Rejects when what is left has not become less for a minute. */
async function whileItGoesOn(count: () => Promise<number>, what: string): Promise<void> {
  let left = Number.POSITIVE_INFINITY
  while (left > 0) {
    const before = left
    const less = async () => {
      const now = await count()
      return now < before && { now }
    }
    left = (await until(less, { what: `less than ${before} of what is left: ${what}`, deadlineMs: patienceMs })).now
  }
}
