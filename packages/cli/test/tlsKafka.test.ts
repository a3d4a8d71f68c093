import { kafka } from '@oncebox/kafka'
import { kafkajs } from '@oncebox/kafkajs'
import { freePort, type KafkaServer, startKafka } from '@oncebox/testkit'
import { kafkaMissing, uniqueName } from '@oncebox/testkit/harness'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createAuthority, folderOf } from './authority.js'
import { jsonLines, oncebox } from './oncebox.js'
import { emitSql, migratedDatabase } from './outbox.js'

const password = 'canary-sasl-password'

describe.skipIf(await kafkaMissing())('a Kafka with TLS and SASL', () => {
  let server: KafkaServer
  let ca: string
  let brokers: string[]

  beforeAll(async () => {
    const authority = await createAuthority()
    ca = authority.cert
    const { cert, key } = await authority.issue('127.0.0.1')
    const [port, secure, controller] = (await Promise.all([freePort(), freePort(), freePort()])) as [
      number,
      number,
      number,
    ]
    brokers = [`127.0.0.1:${secure}`]
    const listeners = `PLAINTEXT://127.0.0.1:${port},SASL_SSL://127.0.0.1:${secure}`
    server = await startKafka({
      port,
      settings: {
        listeners: `${listeners},CONTROLLER://127.0.0.1:${controller}`,
        'advertised.listeners': listeners,
        'controller.quorum.voters': `1@127.0.0.1:${controller}`,
        'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL',
        'inter.broker.listener.name': 'PLAINTEXT',
        'sasl.enabled.mechanisms': 'PLAIN',
        'listener.name.sasl_ssl.plain.sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required user_me="${password}";`,
        'ssl.keystore.type': 'PEM',
        'ssl.keystore.certificate.chain': inOneLine(cert),
        'ssl.keystore.key': inOneLine(key),
      },
    })
  }, 150_000)
  afterAll(() => server?.remove())

  /** The first answer or refusal of a transport with these settings. */
  const asked = async (make: typeof kafka | typeof kafkajs, settings: object) => {
    const transport = make({ brokers, ...settings } as never)
    try {
      await transport.connect()
      await transport.createTopic(uniqueName('t'), 1)
      return 'done'
    } catch (error) {
      expect(JSON.stringify(error) + String((error as Error).stack)).not.toContain('canary')
      return (error as { code?: string }).code
    } finally {
      await transport.close()
    }
  }
  const me = (word = password) => ({ mechanism: 'plain', username: 'me', password: word })

  test.each([
    ['kafka', kafka],
    ['kafkajs', kafkajs],
  ])(
    '%s verifies the broker before it says its password',
    async (_name, make) => {
      expect(await asked(make, { ssl: { ca }, sasl: me() })).toBe('done')
      expect(await asked(make, { ssl: true, sasl: me() })).toBe('TRANSPORT_UNREACHABLE')
      expect(await asked(make, { ssl: { ca: (await createAuthority()).cert }, sasl: me() })).toBe(
        'TRANSPORT_UNREACHABLE',
      )
      const byName = brokers.map((broker) => broker.replace('127.0.0.1', 'localhost'))
      expect(await asked(make, { ssl: { ca }, sasl: me(), brokers: byName })).toBe('TRANSPORT_UNREACHABLE')
      expect(await asked(make, { ssl: { ca }, sasl: me('canary-wrong') })).not.toBe('done')
      expect(await asked(make, { sasl: me(), allowPlaintextSasl: true })).not.toBe('done')
    },
    60_000,
  )

  test('the relay publishes and doctor looks with --tls-ca; without the authority, or with another password, neither does', async () => {
    await using database = await migratedDatabase()
    const topic = uniqueName('orders')
    await emitSql(database, { topic, key: 'k', payload: '1' })
    const folder = await folderOf({ 'ca.pem': ca })
    const flags = ['--json', '--brokers', brokers.join(','), '--sasl-mechanism', 'plain', '--sasl-username', 'me']
    const run = async (verb: string, more: readonly string[], word = password) => {
      const environment = { ...database.environment, KAFKA_SASL_PASSWORD: word }
      const ended = await oncebox([verb, ...flags, ...more], { environment })
      expect(ended.stdout + ended.stderr).not.toContain('canary')
      return ended
    }
    const relay = ['--create-topics', '1', '--until-idle']
    const refused = await run('relay', [...relay, '--tls'])
    expect(refused.code).toBe(3)
    expect(jsonLines(refused.stderr).at(-1)).toMatchObject({ code: 'TRANSPORT_UNREACHABLE' })
    expect((await run('relay', [...relay, '--tls-ca', `${folder}/ca.pem`], 'canary-wrong')).code).not.toBe(0)
    const clear = await run('relay', relay)
    expect(clear.code).toBe(2)
    expect(jsonLines(clear.stderr)).toMatchObject([
      { level: 'error', code: 'INVALID_SETTING', next: expect.stringContaining('--allow-plaintext-sasl') },
    ])
    const published = await run('relay', [...relay, '--tls-ca', `${folder}/ca.pem`])
    expect(published.code).toBe(0)
    expect(jsonLines(published.stdout)).toContainEqual(expect.objectContaining({ event: 'published', count: 1 }))
    const looked = await run('doctor', ['--tls-ca', `${folder}/ca.pem`])
    expect(looked.stdout).not.toContain('KAFKA_UNREACHABLE')
  }, 120_000)
})

/** A PEM text as a properties file takes it. */
function inOneLine(pem: string): string {
  return pem.trim().replaceAll(/\r?\n/g, ' ')
}
