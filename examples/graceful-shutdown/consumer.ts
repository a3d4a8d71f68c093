// Writes scans down until SIGTERM or SIGINT: `node consumer.ts SETUP`, a Setup as JSON.
import { openSync, writeSync } from 'node:fs'
import { pgDatabase } from '@oncebox/core/pg'
import { createConsumer } from '@oncebox/inbox'
import pg from 'pg'
import { scanHandlers } from './handlers.ts'
import { group, messagesOf } from './messages.ts'
import { batchMessages, openTransport, type Setup } from './transport.ts'

const deadlineMs = 10_000
const setup = JSON.parse(process.argv[2] ?? '{}') as Setup
const pool = new pg.Pool({ connectionString: setup.databaseUrl, max: 3 })
const transport = await openTransport(setup)
const runs = openSync(setup.runsFile, 'a')

const consumer = createConsumer({
  db: pgDatabase(pool),
  subscriber: transport,
  group,
  messages: messagesOf(setup.topic),
  handlers: scanHandlers((id) => writeSync(runs, `${id}\n`)),
  batchMessages,
  // pg-boss keeps what waits for ever; nothing here grows older than the inbox's memory.
  allowLongerRetention: true,
})

/** Ends in good order: the batch in hand is finished, committed and acknowledged, the next one left to others. */
async function stop(): Promise<void> {
  const begun = performance.now()
  // Should a connection hang, the process must end nevertheless; the orchestrator's patience has to be longer than this.
  setTimeout(() => process.exit(1), deadlineMs + 2_000).unref()
  await consumer.stop({ deadlineMs })
  await transport.close()
  await pool.end()
  console.log(`left in good order after ${Math.round(performance.now() - begun)} ms`)
}

// The library installs no signal handlers: only the program knows what else has to end, and in which order.
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    stop().catch((error) => {
      console.error(error)
      process.exitCode = 1
    })
  })
}
await consumer.start()
console.log('scanning')
