// The hour in which the tickets go on sale: `node main.ts`; with DATABASE_URL it uses that (empty) database, without it
// starts a Postgres of its own. Shops are killed in the middle of it, and the id service half-way.
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { createRelay } from '@oncebox/relay'
import { migrate } from '@oncebox/schema'
import { type NodeProcess, startCrew, startPostgres, until } from '@oncebox/testkit'
import type { Publisher } from '@oncebox/transport'
import { memoryTransport } from '@oncebox/transport/memory'
import pg from 'pg'
import { group, ticketPrinter } from './tickets.ts'
import { addresses, allClicks, burst } from './visitors.ts'

const copies = 3

/** Hands over everything several times, as after acknowledgements that got lost. */
function repeating(publisher: Publisher): Publisher {
  return {
    name: publisher.name,
    connect: () => publisher.connect(),
    partitions: (topic) => publisher.partitions(topic),
    createTopic: (topic, partitions) => publisher.createTopic(topic, partitions),
    close: () => publisher.close(),
    async publish(records) {
      for (let copy = 1; copy < copies; copy++) await publisher.publish(records)
      return publisher.publish(records)
    },
  }
}

/** Where each open shop takes its ids from: `closed` is the id service, any other state is itself. */
async function idStates(shops: readonly NodeProcess[]): Promise<string[]> {
  const states = addresses(shops).map(async (address) => {
    const response = await fetch(`${address}ids`)
    return ((await response.json()) as { state: string }).state
  })
  return Promise.all(states)
}

async function migrated(connectionString: string): Promise<pg.Pool> {
  const pool = new pg.Pool({ connectionString, max: 6 })
  const client = await pool.connect()
  await migrate(client)
  client.release()
  return pool
}

async function main(connectionString: string): Promise<void> {
  const pool = await migrated(connectionString)
  await pool.query(await readFile(new URL('orders.sql', import.meta.url), 'utf8'))
  // The id service is a database of its own, which anybody may lose.
  const idService = await startPostgres()
  try {
    await (await migrated(idService.url)).end()
    const script = fileURLToPath(new URL('shop.ts', import.meta.url))
    await using crew = await startCrew({ script, args: [connectionString, idService.url], size: 2, ready: 'open' })

    const clicks = allClicks()
    const at = (share: number) => Math.floor(clicks.length * share)
    const [firstKill, secondKill] = [at(0.1 + 0.3 * Math.random()), at(0.6 + 0.3 * Math.random())]
    const answers = await burst(crew.members, clicks, (number) => {
      if (number === firstKill || number === secondKill) return crew.killOne()
      return number === at(0.5) ? idService.crash() : undefined
    })
    console.log(`${answers.length} requests answered`)

    // Nobody asks for ids but requests; people go on clicking, though everybody has a ticket by now.
    const clickUntil = (isSo: (state: string) => boolean, what: string) =>
      until(
        async () => {
          answers.push(...(await burst(crew.members, clicks.slice(0, 20))))
          const states = await idStates(crew.members)
          return states.length === 2 && states.every(isSo)
        },
        { deadlineMs: 60_000, what },
      )
    await clickUntil((state) => state !== 'closed', 'both shops to make ids themselves')
    console.log('id service killed: both shops make ids themselves')
    await idService.start()
    await clickUntil((state) => state === 'closed', 'both shops to take ids from the service again')
    console.log('id service back: both shops take ids from it again')
    await crew.stop()
    console.log(`${crew.kills} shops killed`)

    const { rows } = await pool.query<{ id: string }>('SELECT id FROM orders UNION ALL SELECT id FROM oncebox.outbox')
    const ids = [...answers.map(({ request }) => request), ...rows.map(({ id }) => id)]
    console.log(`${ids.length - new Set(ids).size} ids given twice`)
    const errors = answers.filter(({ status }) => status !== 200).length
    console.log(`${new Set(answers.map(({ order }) => order)).size} orders told, ${errors} errors`)
  } finally {
    await idService.remove()
  }
  await printTickets(pool)
  await pool.end()
}

/** Publishes the orders, each message three times, to three consumers of one group. */
async function printTickets(pool: pg.Pool): Promise<void> {
  const transport = memoryTransport({ partitions: 6 })
  const printers = [1, 2, 3].map(() => ticketPrinter(pool, transport.subscriber()))
  await Promise.all(printers.map((printer) => printer.start()))
  const { published } = await createRelay({ pool, publisher: repeating(transport.publisher()) }).drain()
  const deliveries = transport.records('orders').length
  const handled = () =>
    Array.from({ length: 6 }, (_, partition) => transport.committed(group, 'orders', partition)).reduce((a, b) => a + b)
  await until(() => handled() === deliveries, { deadlineMs: 60_000, what: 'all orders to be handled' })
  await Promise.all(printers.map((printer) => printer.stop()))
  const { rows } = await pool.query(`
    SELECT (SELECT count(*) FROM orders) AS orders,
      (SELECT count(*) FROM (SELECT FROM orders GROUP BY user_id, event HAVING count(*) > 1) AS twice) AS twice,
      (SELECT count(*) FROM ticket) AS tickets`)
  const [{ orders, twice, tickets }] = rows
  console.log(`${orders} orders, ${twice} of them a second one for a user and event`)
  console.log(`${published} messages, ${deliveries} deliveries, ${tickets} tickets`)
}

const given = process.env.DATABASE_URL
if (given !== undefined) {
  await main(given)
} else {
  const server = await startPostgres()
  try {
    await main(server.url)
  } finally {
    await server.remove()
  }
}
