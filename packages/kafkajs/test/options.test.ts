import { kafkajs } from '@oncebox/kafkajs'
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

describe('settings of kafkajs()', () => {
  it.each<[string, unknown]>([
    ['no settings', undefined],
    ['a port past the last', { brokers: ['localhost:99999'] }],
    ['a session longer than Kafka can be told', { brokers, sessionTimeoutMs: 2 ** 31 }],
    ['a connection timeout that is none', { brokers, connectionTimeoutMs: '3' }],
    ['a client id that is no text', { brokers, clientId: 5 }],
    ['a logger that cannot warn', { brokers, logger: { info: () => undefined } }],
    ['SASL that names no mechanism', { brokers, ssl: true, sasl: {} }],
    ['a client that is none', { client: {} }],
    ['no brokers', { brokers: [] }],
    ['a URL instead of host:port', { brokers: ['kafka://user:secret-password@host:9092'] }],
    ['a broker without a port', { brokers: ['localhost'] }],
    ['a session timeout of nothing', { brokers, sessionTimeoutMs: 0 }],
    ['heartbeats as rare as the session timeout', { brokers, sessionTimeoutMs: 6000, heartbeatIntervalMs: 6000 }],
    ['a fractional limit', { brokers, maxBatchBytes: 1.5 }],
    ['SASL PLAIN without TLS', { brokers, sasl }],
    ['SASL PLAIN with TLS switched off', { brokers, sasl, ssl: false }],
  ])('refuses %s', (_, options) => {
    const error = failure(() => kafkajs(options as never))
    expect(error.code).toBe('INVALID_SETTING')
    expect(error.message).not.toContain('secret-password')
  })

  it.each([
    ['SASL PLAIN over TLS', { brokers, sasl, ssl: true }],
    ['SASL PLAIN in the clear where it is allowed', { brokers, sasl, allowPlaintextSasl: true }],
    ['SCRAM without TLS', { brokers, sasl: { ...sasl, mechanism: 'scram-sha-512' } as const }],
  ])('takes %s', (_, options) => {
    expect(kafkajs(options).name).toBe('kafkajs')
  })
})
