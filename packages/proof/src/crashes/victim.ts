import { pgDatabase } from '@oncebox/core/pg'
import { reclaimInbox } from '@oncebox/inbox'
import { kafka } from '@oncebox/kafka'
import { createRelay, type RelayOptions } from '@oncebox/relay'
import { migrate } from '@oncebox/schema'
import type { Publisher } from '@oncebox/transport'
import { createBilling } from '../shop/billing.js'
import { placeOrders } from '../shop/placeOrders.js'
import { diceOf } from '../simulation/dice.js'
import { crashPoints, type Role } from './crashPoints.js'
import { Trap } from './trap.js'
import { trappedClient, trappedPool } from './trappedPool.js'
import { trapRequests } from './trapRequests.js'
import { type VictimOptions, victimTuning } from './victimOptions.js'

// One part of the system in a process of its own, which kills itself at one point; without that it would go on for ever.

const options = JSON.parse(process.argv[2] ?? '{}') as VictimOptions
const point = crashPoints.find(({ name }) => name === options.point)
if (point === undefined) throw new Error(`there is no crash point ${options.point}`)
const trap = new Trap(point, options.time)
const transport = kafka({ brokers: options.brokers, ...victimTuning })
trapRequests(Number(options.brokers[0]?.split(':')[1]), trap)
const say = (line: string): boolean => process.stdout.write(`${line}\n`)

const roles: Readonly<Record<Role, () => Promise<unknown>>> = {
  producer: () =>
    placeOrders({
      pool: trappedPool(options.url, trap),
      topic: options.topic,
      random: diceOf(options.seed).next,
      writers: 4,
      transactions: 10_000,
      onRollback: (ids) => say(`rolled back ${ids.join(' ')}`),
    }),
  relay: () => relay({ batchMessages: 10 }),
  reclaimer: () => relay({ retentionMs: 0, leafWidthMs: 1, reclaimEveryMs: 20 }),
  async consumer() {
    const consumer = createBilling({
      pool: trappedPool(options.url, trap),
      subscriber: transport,
      ...options,
      onReceived() {
        trap.step('received')
        say('received')
      },
      onRevoked: () => trap.step('revoked'),
    })
    process.once('SIGTERM', () => void consumer.stop())
    await consumer.start()
    say('works')
  },
  async inboxReclaimer() {
    const db = pgDatabase(trappedPool(options.url, trap))
    for (;;) await reclaimInbox({ db })
  },
  async migrator() {
    const client = trappedClient(options.url, trap)
    await client.connect()
    await migrate({ query: (text, values) => client.query(text, values as unknown[]) })
  },
}

async function relay(settings: Partial<RelayOptions>): Promise<void> {
  const publisher: Publisher = {
    ...transport,
    async publish(records) {
      const outcomes = await transport.publish(records)
      trap.step('acked')
      return outcomes
    },
  }
  await createRelay({
    pool: trappedPool(options.url, trap),
    publisher,
    leaseMs: victimTuning.leaseMs,
    ...settings,
    onEvent({ event }) {
      if (event === 'lease_lost') trap.step('leaseLost')
    },
  }).start()
  say('works')
}

await roles[point.role]()
