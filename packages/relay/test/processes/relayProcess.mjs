// A relay in a process of its own, for tests that kill or stop it. It publishes by appending lines to a file, and
// prints its events. Its one argument is a JSON object: url, file, holder, relay (options), killAt, killCall, slowMs.
import { appendFileSync } from 'node:fs'
import { createRelay } from '@oncebox/relay'
import pg from 'pg'

const { url, file, holder, relay: options = {}, killAt, killCall = 1, slowMs = 0 } = JSON.parse(process.argv[2])
const die = () => process.kill(process.pid, 'SIGKILL')
let call = 0

const publisher = {
  name: 'file',
  connect: async () => {},
  partitions: async () => 3,
  createTopic: async () => {},
  close: async () => {},
  async publish(records) {
    call++
    const fatal = call === killCall ? killAt : undefined
    if (fatal === 'before send') die()
    const lines = records.map(({ key, value, partition }) =>
      JSON.stringify({
        key: Buffer.from(key).toString(),
        value: Buffer.from(value).toString().trim(),
        partition,
        holder,
      }),
    )
    // One write a record, as records of a zombie and of its successor may interleave.
    const count = fatal === 'during send' ? Math.ceil(lines.length / 2) : lines.length
    for (const line of lines.slice(0, count)) {
      appendFileSync(file, `${line}\n`)
      if (slowMs > 0) await new Promise((resolve) => setTimeout(resolve, slowMs))
    }
    if (fatal === 'during send' || fatal === 'after send, before ack') die()
    return records.map((_, index) => ({ status: 'acked', partition: 0, offset: index }))
  },
}

const pool = new pg.Pool({ connectionString: url })
pool.on('error', () => {})
const relay = createRelay({
  pool,
  publisher,
  holder,
  ...options,
  onEvent(event) {
    if (event.event === 'published' && call === killCall && killAt === 'after ack, before the cursor') die()
    process.stdout.write(`${JSON.stringify(event)}\n`)
  },
})
await relay.start()
