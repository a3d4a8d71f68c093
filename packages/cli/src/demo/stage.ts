import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fromPg } from '@oncebox/core/pg'
import { migrate } from '@oncebox/schema'
import { fastSettings, startKafka, startPostgres } from '@oncebox/testkit'
import pg from 'pg'
import type { TransportChoice } from './serviceSetup.js'
import { createBillingTables, createShopTables } from './tables.js'

/** The servers, databases and files of one run. */
export interface Stage {
  readonly shop: pg.Pool
  readonly billing: pg.Pool
  readonly shopUrl: string
  readonly billingUrl: string
  readonly transport: TransportChoice
  readonly topic: string
  readonly deliveryLog: string
  /** How many deliveries were logged. */
  delivered(): Promise<number>
  /** The order ids of the deliveries. */
  deliveries(): Promise<string[]>
  /** Ends the servers and removes the files. */
  remove(): Promise<void>
}

export interface StageOptions {
  readonly kafka: boolean
  /** Brokers that run already; without them Kafka is launched. */
  readonly brokers: readonly string[] | undefined
  /** Says what is being done. */
  readonly tell: (what: string) => void
}

/** Sets up a Postgres with a database for each service, and the transport. Cleans up behind itself when it fails. */
export async function setUpStage({ kafka, brokers, tell }: StageOptions): Promise<Stage> {
  const undo: (() => Promise<unknown>)[] = []
  const remove = async () => {
    for (const step of undo.splice(0).reverse()) await step().catch(() => undefined)
  }
  try {
    tell('starting a Postgres of its own')
    // Processes are killed here, not the machine: without fsync, what a commit has written survives them all the same.
    const postgres = await startPostgres({ settings: fastSettings })
    undo.push(() => postgres.remove())
    const directory = await mkdtemp(join(tmpdir(), 'oncebox-demo-'))
    undo.push(() => rm(directory, { recursive: true, force: true }))

    const open = async (name: string, createTables: (tx: ReturnType<typeof fromPg>) => Promise<void>) => {
      const url = await postgres.createDatabase(name)
      const pool = new pg.Pool({ connectionString: url, max: 2 })
      pool.on('error', () => undefined)
      undo.push(() => pool.end())
      const client = await pool.connect()
      await migrate(fromPg(client))
      await createTables(fromPg(client))
      client.release()
      return { url, pool }
    }
    const shop = await open('shop', createShopTables)
    const billing = await open('billing', createBillingTables)

    let transport: TransportChoice
    if (!kafka) transport = { kind: 'pg-boss', url: await postgres.createDatabase('transport') }
    else if (brokers !== undefined) transport = { kind: 'kafka', brokers }
    else {
      tell('starting a Kafka of its own (the first time it is downloaded)')
      const server = await startKafka()
      undo.push(() => server.remove())
      transport = { kind: 'kafka', brokers: server.brokers }
    }

    const deliveryLog = join(directory, 'deliveries.log')
    return {
      shop: shop.pool,
      billing: billing.pool,
      shopUrl: shop.url,
      billingUrl: billing.url,
      transport,
      topic: `oncebox-demo-${randomBytes(4).toString('hex')}`,
      deliveryLog,
      async delivered() {
        // A line is a UUID and its end.
        const size = await stat(deliveryLog).then(
          (file) => file.size,
          () => 0,
        )
        return size / 37
      },
      async deliveries() {
        const text = await readFile(deliveryLog, 'utf8').catch(() => '')
        return text.split('\n').filter((line) => line !== '')
      },
      remove,
    }
  } catch (error) {
    await remove()
    throw error
  }
}
