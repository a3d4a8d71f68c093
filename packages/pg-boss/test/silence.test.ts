import { startProxy } from '@oncebox/testkit'
import { testDatabase } from '@oncebox/testkit/harness'
import pg from 'pg'
import { expect, it, onTestFinished } from 'vitest'
import { bossConnection } from '../dist/bossConnection.js'
import { resolveSettings } from '../dist/options.js'
import { bossPublisher } from '../dist/publisher.js'
import { bossSubscriber } from '../dist/subscriber.js'
import { record, subscribing, taking } from './record.js'

const answerMs = 3_000

it.each(['of its own', 'of the caller'])(
  'a database that says nothing, on a pool %s, holds up neither a publish nor a stop for ever',
  async (whose) => {
    const database = await testDatabase()
    onTestFinished(() => database.drop())
    const { hostname, port } = new URL(database.url)
    const wire = await startProxy({ target: { host: hostname, port: Number(port) } })
    onTestFinished(() => wire.close())
    const url = new URL(database.url)
    url.host = `127.0.0.1:${wire.port}`
    const pool = new pg.Pool({ connectionString: url.href })
    onTestFinished(() => pool.end())
    const where = whose === 'of its own' ? { connectionString: url.href } : { pool }
    const settings = { ...resolveSettings({ ...where, topics: { orders: ['billing'] } }), answerMs }
    const connection = bossConnection(settings)
    const publisher = bossPublisher(settings, connection)
    const entered = Promise.withResolvers<void>()
    await publisher.connect()
    const subscription = await bossSubscriber(settings, connection).subscribe(
      subscribing('orders', 'billing'),
      taking(async (_, { signal }) => {
        entered.resolve()
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
      }),
    )
    expect(await publisher.publish([record('orders', 'a', '1')])).toMatchObject([{ status: 'acked' }])
    await entered.promise

    wire.pause()
    const outcomes = await publisher.publish([record('orders', 'a', '2')])
    expect(outcomes).toMatchObject([{ status: 'failed', code: 'TRANSPORT_UNREACHABLE' }])
    await subscription.stop({ deadlineMs: 0 })

    wire.resume()
    expect(await publisher.publish([record('orders', 'a', '2')])).toMatchObject([{ status: 'acked' }])
    await publisher.close()
  },
  30_000,
)
