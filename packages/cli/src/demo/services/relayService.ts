import { createRelay } from '@oncebox/relay'
import type { Publisher } from '@oncebox/transport'
import pg from 'pg'
import { openTransport } from '../openTransport.js'
import { seededRandom } from '../random.js'
import { reporter, setupOfProcess } from '../serviceSetup.js'

// The relay: publishes what the order service committed. Now and then the demo loses an acknowledgement on its way
// back, as a network does: the records are written, the relay cannot know, and sends them again.

const setup = setupOfProcess()
const random = seededRandom(setup.seed * 101 + setup.incarnation)
const pool = new pg.Pool({ connectionString: setup.shopUrl, max: 4 })
pool.on('error', () => undefined)
let acked = 0
let lostAcks = 0
const report = reporter(() => ({ count: acked, mishaps: lostAcks }))

function losingAcks(publisher: Publisher): Publisher {
  return {
    name: publisher.name,
    connect: () => publisher.connect(),
    partitions: (topic) => publisher.partitions(topic),
    createTopic: (topic, partitions) => publisher.createTopic(topic, partitions),
    close: () => publisher.close(),
    async publish(records) {
      const outcomes = await publisher.publish(records)
      if (random() >= setup.lostAckShare) return outcomes
      lostAcks++
      return records.map(() => ({ status: 'failed', code: 'TRANSPORT_FAILED', reason: 'the demo lost this answer' }))
    },
  }
}

const transport = await openTransport(setup)
const relay = createRelay({
  pool,
  publisher: losingAcks(transport),
  // The next relay takes over this long after a kill.
  leaseMs: 1_500,
  onEvent: (event) => {
    if (event.event === 'published') acked += event.count
  },
})
await relay.start()
report.ready()

process.once('SIGTERM', async () => {
  await relay.stop({ deadlineMs: 5_000 })
  await transport.close()
  await pool.end()
  report.done()
})
