import { kafka } from '@oncebox/kafka'
import { describe, expect, it } from 'vitest'

const brokers = ['localhost:9092']
const sasl = { mechanism: 'plain', username: 'user', password: 'secret-password' } as const
const failure = (make: () => unknown): Error & { code?: string } => {
  try {
    make()
  } catch (error) {
    return error as Error
  }
  throw new Error('nothing was thrown')
}

describe('settings of kafka()', () => {
  it.each<[string, unknown]>([
    ['no settings', undefined],
    ['a port past the last', { brokers: ['localhost:99999'] }],
    ['a session longer than Kafka can be told', { brokers, sessionTimeoutMs: 2 ** 31 }],
    ['a connection timeout that is none', { brokers, connectionTimeoutMs: '3' }],
    ['a client id that is no text', { brokers, clientId: 5 }],
    ['a logger that cannot warn', { brokers, logger: { info: () => undefined } }],
    ['SASL that names no mechanism', { brokers, ssl: true, sasl: {} }],
    ['SASL without a password', { brokers, ssl: true, sasl: { mechanism: 'plain', username: 'ada' } }],
    ['a token that cannot be had', { brokers, ssl: true, sasl: { mechanism: 'oauthbearer' } }],
    ['no brokers', { brokers: [] }],
    ['a URL instead of host:port', { brokers: ['kafka://user:secret-password@host:9092'] }],
    ['a broker without a port', { brokers: ['localhost'] }],
    ['a session timeout of nothing', { brokers, sessionTimeoutMs: 0 }],
    ['heartbeats as rare as the session timeout', { brokers, sessionTimeoutMs: 6000, heartbeatIntervalMs: 6000 }],
    ['a fractional limit', { brokers, maxBatchBytes: 1.5 }],
    ['an unknown compression', { brokers, compression: 'brotli' }],
    ['an unknown SASL mechanism', { brokers, ssl: true, sasl: { ...sasl, mechanism: 'md5' } }],
    ['SASL PLAIN without TLS', { brokers, sasl }],
    ['SASL PLAIN with TLS switched off', { brokers, sasl, ssl: false }],
  ])('refuses %s', (_, options) => {
    const error = failure(() => kafka(options as never))
    expect(error.code).toBe('INVALID_SETTING')
    expect(error.message).not.toContain('secret-password')
  })

  it.each([
    ['SASL PLAIN over TLS', { brokers, sasl, ssl: true }],
    ['SASL PLAIN in the clear where it is allowed', { brokers, sasl, allowPlaintextSasl: true }],
    ['SCRAM without TLS', { brokers, sasl: { ...sasl, mechanism: 'scram-sha-512' } as const }],
    ['an IPv6 address', { brokers: ['[::1]:9092'] }],
  ])('takes %s', (_, options) => {
    expect(kafka(options).name).toBe('kafka')
  })
})

describe('a broker that is not there', () => {
  it('fails what is published within the delivery timeout, and connect() says why', async () => {
    const transport = kafka({ brokers: ['127.0.0.1:1'], deliveryTimeoutMs: 1000 })
    const started = performance.now()
    const record = { topic: 't', partition: 0, key: null, value: Buffer.from('1'), headers: [] }
    expect(await transport.publish([record])).toEqual([
      expect.objectContaining({ status: 'failed', code: 'TRANSPORT_UNREACHABLE' }),
    ])
    await expect(transport.connect()).rejects.toMatchObject({ code: 'TRANSPORT_UNREACHABLE' })
    await expect(transport.partitions('t')).rejects.toMatchObject({ code: 'TRANSPORT_UNREACHABLE' })
    const options = { group: 'g', topics: ['t'], maxRecords: 1, maxBytes: 1 }
    const handler = { assigned: async () => new Map(), batch: async () => ({ done: 0 }), revoked: async () => {} }
    const logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
    await expect(transport.subscribe({ ...options, logger }, handler)).rejects.toMatchObject({
      code: 'TRANSPORT_UNREACHABLE',
    })
    await transport.close()
    expect(performance.now() - started).toBeLessThan(15_000)
  })
})
