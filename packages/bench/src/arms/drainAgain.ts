// The relay drains the same backlog again and again: warm, so that small backlogs compare with large ones.
import { kafka } from '@oncebox/kafka'
import { createRelay } from '@oncebox/relay'
import pg from 'pg'
import { measure, type Work } from '../armResult.js'
import { rewind } from '../workload.js'

const { DATABASE_URL, WARM_URL, SNAPSHOT } = process.env
const repeat = Number(process.env.REPEAT ?? 1)
const lane = Number(process.env.LANE ?? 0)
const lanes = Number(process.env.LANES ?? 1)
const publisher = kafka({ brokers: (process.env.KAFKA_BROKERS ?? '').split(',') })

async function drains(url: string | undefined, times: number, snapshot?: string): Promise<Work> {
  const pool = new pg.Pool({ connectionString: url, max: 4 })
  pool.on('error', () => undefined)
  let published = 0
  let parked = 0
  let seconds = 0
  for (let time = 0; time < times; time++) {
    // Two lanes are rewound together, by whoever starts them.
    if (lanes === 1) await rewind(pool, 'oncebox', snapshot)
    const relay = createRelay({ pool, publisher, lane })
    await relay.start()
    const start = performance.now()
    const drained = await relay.drain()
    published += drained.published
    parked += drained.parked
    seconds += (performance.now() - start) / 1_000
    await relay.stop()
  }
  await pool.end()
  return { messages: published, seconds, more: { parked } }
}

await publisher.connect()
await drains(WARM_URL, Number(process.env.WARM_TIMES ?? 5))
await measure(() => drains(DATABASE_URL, repeat, SNAPSHOT))
await publisher.close()
process.exit(0)
