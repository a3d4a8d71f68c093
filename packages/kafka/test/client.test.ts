import { readFileSync } from 'node:fs'
import { silentLogger } from '@oncebox/core'
import { kafka } from '@oncebox/kafka'
import { until } from '@oncebox/testkit'
import { kafkaMissing, testKafka, uniqueName } from '@oncebox/testkit/harness'
import { Admin, Base } from '@platformatic/kafka'
import { describe, expect, it } from 'vitest'
import { requireNode } from '../src/nodeFloor.js'
import { resolveSettings } from '../src/options.js'

const missing = await kafkaMissing()

describe('an existing client of @platformatic/kafka', () => {
  it('gives its brokers, client id, TLS, server name, SASL and connect timeout', () => {
    const sasl = { mechanism: 'PLAIN', username: 'user', password: 'secret' } as const
    const client = new Base({
      clientId: 'shop',
      bootstrapBrokers: ['one:9093', 'two'],
      connectTimeout: 1_234,
      requestTimeout: 77,
      ssl: { rejectUnauthorized: true },
      tlsServerName: 'kafka.example',
      sasl,
    })
    expect(resolveSettings({ client, maxWaitMs: 10 })).toMatchObject({
      clientId: 'shop',
      bootstrap: [
        { host: 'one', port: 9093 },
        { host: 'two', port: 9092 },
      ],
      connection: { connectTimeout: 1_234, tls: { rejectUnauthorized: true }, tlsServerName: 'kafka.example', sasl },
      maxWaitMs: 10,
    })
    expect(resolveSettings({ client }).connection).not.toHaveProperty('requestTimeout')
  })

  it.each([undefined, {}])('is refused when it is %j', (client) => {
    expect(() => kafka({ client: client as Base })).toThrow(expect.objectContaining({ code: 'INVALID_SETTING' }))
  })

  it.skipIf(missing !== undefined)(
    'serves publishing and subscribing, and stays open when the transport is closed',
    async () => {
      const { brokers } = await testKafka()
      const client = new Admin({ clientId: 'shop', bootstrapBrokers: brokers })
      const transport = kafka({ client })
      const topic = uniqueName('client')
      await transport.createTopic(topic, 1)
      const record = { topic, partition: 0, key: null, value: Buffer.from('v'), headers: [] }
      expect(await transport.publish([record])).toMatchObject([{ status: 'acked' }])
      const seen: string[] = []
      const limits = { maxRecords: 10, maxBytes: 1_000, logger: silentLogger }
      await transport.subscribe(
        { ...limits, group: uniqueName('group'), topics: [topic] },
        {
          assigned: async () => new Map(),
          revoked: async () => {},
          batch: async ({ records }) => {
            seen.push(...records.map(({ value }) => String(value)))
            return { done: records.length }
          },
        },
      )
      await until(() => seen.length === 1, { what: 'the record', deadlineMs: 30_000 })
      await transport.close()
      expect(client.closed).toBe(false)
      expect(await client.listTopics()).toContain(topic)
      await client.close()
    },
    60_000,
  )
})

describe('the floor of Node.js', () => {
  it.each(['22.21.9', '22.12.0', '20.20.2'])('refuses %s and says what to do', (version) => {
    expect(() => requireNode(version)).toThrow(/needs Node\.js 22\.22, this is .*kafkajs/)
  })

  it.each(['22.22.0', '24.0.0'])('takes %s', (version) => {
    expect(() => requireNode(version)).not.toThrow()
  })

  it('is the one that package.json names', () => {
    const { engines } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
    expect(engines.node).toBe('>=22.22')
  })
})
