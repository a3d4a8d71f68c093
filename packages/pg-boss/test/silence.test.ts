import { pgBoss } from '@oncebox/pg-boss'
import { startProxy } from '@oncebox/testkit'
import { testDatabase } from '@oncebox/testkit/harness'
import pg from 'pg'
import { expect, it, onTestFinished } from 'vitest'
import { bossConnection } from '../dist/bossConnection.js'
import { resolveSettings } from '../dist/options.js'
import { bossPublisher } from '../dist/publisher.js'
import { bossSubscriber } from '../dist/subscriber.js'
import { record, subscribing, taking } from './record.js'

/** A database behind a wire that can be made to say nothing. */
async function silenceable() {
  const database = await testDatabase()
  onTestFinished(() => database.drop())
  const { hostname, port } = new URL(database.url)
  const wire = await startProxy({ target: { host: hostname, port: Number(port) } })
  onTestFinished(() => wire.close())
  const url = new URL(database.url)
  url.host = `127.0.0.1:${wire.port}`
  return { wire, url: url.href }
}

it.each(['of its own', 'of the caller'])(
  'a database that says nothing, on a pool %s, holds up neither a publish nor a stop for ever',
  async (whose) => {
    const { wire, url } = await silenceable()
    const pool = new pg.Pool({ connectionString: url })
    onTestFinished(() => pool.end())
    const where = whose === 'of its own' ? { connectionString: url } : { pool }
    const settings = { ...resolveSettings({ ...where, topics: { orders: ['billing'] } }), answerMs: 3_000 }
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

it('aborts a batch whose jobs have lapsed although no heartbeat was answered, not even with an error', async () => {
  const { wire, url } = await silenceable()
  const transport = pgBoss({ connectionString: url, topics: { orders: ['billing'] }, heartbeatSeconds: 1 })
  onTestFinished(() => transport.close())
  const entered = Promise.withResolvers<void>()
  const aborted = Promise.withResolvers<void>()
  await transport.publish([record('orders', 'a', '1')])
  await transport.subscribe(
    subscribing('orders', 'billing'),
    taking(async (_, { signal }) => {
      entered.resolve()
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      aborted.resolve()
    }),
  )
  await entered.promise
  wire.pause()
  await aborted.promise
  wire.resume()
})
