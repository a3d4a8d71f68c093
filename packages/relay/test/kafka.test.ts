import { silentLogger } from '@oncebox/core'
import { type KafkajsTransport, kafkajs } from '@oncebox/kafkajs'
import { startKafka, until } from '@oncebox/testkit'
import { kafkaMissing } from '@oncebox/testkit/harness'
import { describe, expect, test } from 'vitest'
import { bench } from './relayBench.js'

/** Reads a topic from the start, for as long as the test needs. */
async function reading(transport: KafkajsTransport, topic: string) {
  const seen: { key: string; value: string }[] = []
  const subscription = await transport.subscribe(
    { group: 'reader', topics: [topic], maxRecords: 500, maxBytes: 1 << 20, logger: silentLogger },
    {
      assigned: async () => new Map(),
      revoked: async () => {},
      async batch({ records }) {
        for (const { key, value } of records) {
          seen.push({ key: Buffer.from(key ?? []).toString(), value: Buffer.from(value ?? []).toString() })
        }
        return { done: records.length }
      },
    },
  )
  return { seen, [Symbol.asyncDispose]: () => subscription.stop({ deadlineMs: 1_000 }) }
}

describe.skipIf(await kafkaMissing())('a relay on Kafka', () => {
  test('G1 and G4: the broker is killed and restarted under load: nothing is lost, first deliveries keep order', async () => {
    const server = await startKafka()
    const transport = kafkajs({ brokers: server.brokers })
    try {
      await using at = await bench()
      const relay = at.relay({ publisher: transport, createTopics: 3 })
      await relay.start()
      const emitted: { key: string; value: string }[] = []
      const emit = async (count: number) => {
        for (let n = 0; n < count; n++) {
          const message = { key: `k${emitted.length % 5}`, value: `${emitted.length}` }
          emitted.push(message)
          await at.emit('orders', message.key, message.value)
        }
      }
      await emit(100)
      await relay.drain()
      const stream = emit(100)
      await server.kill()
      await stream
      await until(() => at.events.some(({ event }) => event === 'publish_failed'), {
        what: 'a publish to fail',
        deadlineMs: 20_000,
      })
      await server.start()
      await emit(50)
      await relay.drain()
      await relay.stop()
      await using reader = await reading(transport, 'orders')
      await until(() => new Set(reader.seen.map(({ value }) => value)).size === 250, {
        what: 'all messages',
        deadlineMs: 30_000,
      })
      const firsts = (list: typeof emitted, key: string) => [
        ...new Set(list.filter((each) => each.key === key).map(({ value }) => value)),
      ]
      for (let k = 0; k < 5; k++) expect(firsts(reader.seen, `k${k}`)).toEqual(firsts(emitted, `k${k}`))
      expect(await at.query('select from oncebox.parked')).toEqual([])
    } finally {
      await transport.close()
      await server.remove()
    }
  }, 120_000)
})
