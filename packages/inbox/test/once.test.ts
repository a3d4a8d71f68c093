import { localIds } from '@oncebox/core'
import { until } from '@oncebox/testkit'
import { postgresVersions, type TestDatabase } from '@oncebox/testkit/harness'
import { afterEach, describe, expect, test } from 'vitest'
import { type Bench, bench, businessDatabase, deposit, depositInto } from './fixture.js'

describe.each(postgresVersions)('on Postgres %i', (version) => {
  let database: TestDatabase | undefined
  const stops: (() => Promise<void>)[] = []

  async function open(): Promise<Bench> {
    database = await businessDatabase(version)
    return bench(database)
  }

  function running(it: Bench, overrides: Parameters<Bench['consumer']>[0] = {}) {
    const consumer = it.consumer(overrides)
    stops.push(() => consumer.stop())
    return consumer
  }

  afterEach(async () => {
    for (const stop of stops.splice(0)) await stop()
    await database?.drop()
    database = undefined
  })

  test('G1: every message has its effect, in order, and the next offset is stored with it', async () => {
    const it = await open()
    const sent = Array.from({ length: 50 }, (_, index) => deposit(`account-${index % 3}`))
    await it.send(sent)
    await running(it).start()
    await it.drained()
    expect((await it.effects()).map((row) => row.message_id)).toEqual(sent.map(({ id }) => id))
    expect(await it.storedOffset()).toBe('50')
  })

  test('G3: duplicates inside a batch and across batches have one effect', async () => {
    const it = await open()
    const [first, second, third] = [deposit('a'), deposit('b'), deposit('c')]
    await it.send([first, second, first, { ...second, id: second.id?.toUpperCase() as string }, first])
    const consumer = running(it)
    await consumer.start()
    await it.drained()
    await it.send([third, first, second])
    await it.drained()
    expect((await it.effects()).map((row) => row.message_id)).toEqual([first.id, second.id, third.id])
    expect(consumer.counters()).toMatchObject({ received: 8, handled: 3, duplicates: 5 })
  })

  test('G3: a foreign id has one effect for each source', async () => {
    const it = await open()
    const sending = { ...deposit('a'), id: 'invoice-17' }
    const uuidV4 = { ...deposit('a'), id: '0D2F5E5C-6A0B-4C3E-9F0E-0A8B7C6D5E4F' }
    await it.send([sending, sending, { ...sending, source: 'other' }, uuidV4])
    await it.send([{ ...uuidV4, id: uuidV4.id.toLowerCase() }, sending])
    await running(it).start()
    await it.drained()
    expect((await it.effects()).map((row) => row.message_id)).toEqual([
      'invoice-17',
      'invoice-17',
      uuidV4.id.toLowerCase(),
    ])
  })

  test('two groups each have their own effects', async () => {
    const it = await open()
    await it.send([deposit('a'), deposit('b')])
    await running(it).start()
    await running(it, { group: 'audit' }).start()
    await it.drained('bank')
    await it.drained('audit')
    expect(await it.effects()).toHaveLength(4)
  })

  test('G3: two consumers with overlapping unsorted batches do not deadlock and run each effect once', async () => {
    const it = await open()
    const sent = Array.from({ length: 400 }, () => deposit('a'))
    // The same messages on two partitions, in opposite order: two consumers, each with a partition of its own. Both
    // meet at an id in the middle that somebody else holds, so that each has inserted what comes before it there.
    const two = await bench(it.database, { partitions: 2 })
    const holder = await it.database.pool.connect()
    await holder.query('BEGIN')
    await holder.query("INSERT INTO oncebox.inbox (consumer, message_id) VALUES ('bank', $1)", [sent[200]?.id])
    const consumers = [two, two].map((each) => running(each))
    for (const consumer of consumers) await consumer.start()
    await Promise.all([two.send(sent, 0), two.send(sent.toReversed(), 1)])
    const waits = async () => {
      const { rows } = await it.database.pool.query(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
         AND query LIKE '%INSERT INTO "oncebox"."inbox"%'`,
      )
      return rows.length === 2
    }
    await until(waits, { what: 'both consumers to wait' })
    await holder.query('ROLLBACK')
    holder.release()
    await Promise.all([two.drained('bank', 0), two.drained('bank', 1)])
    const effects = await two.effects()
    expect(effects).toHaveLength(400)
    expect(new Set(effects.map((row) => row.message_id)).size).toBe(400)
    const counters = consumers.map((consumer) => consumer.counters())
    expect(counters.map((each) => each.conflicts)).toEqual([0, 0])
    expect(counters[0]?.received).toBe(400)
    expect(counters[1]?.received).toBe(400)
  })

  test('G3: a message past the horizon, or from the far future, is refused visibly and never run', async () => {
    const it = await open()
    const day = 86_400_000
    const old = { ...deposit('a'), id: localIds.next(Date.now() - 8 * day) }
    const far = { ...deposit('a'), id: localIds.next(Date.now() + day) }
    const fine = [
      { ...deposit('b'), id: localIds.next(Date.now() - 6 * day) },
      { ...deposit('b'), id: localIds.next(Date.now() + 300_000) },
    ]
    await it.send([old, ...fine, far, old, far])
    const consumer = running(it)
    await consumer.start()
    await it.drained()
    expect((await it.effects()).map((row) => row.message_id)).toEqual(fine.map(({ id }) => id))
    expect((await it.deadLetters()).map(({ message_id, reason }) => [message_id, reason]).sort()).toEqual(
      [
        [old.id, 'MESSAGE_PAST_HORIZON'],
        [far.id, 'MESSAGE_FROM_FUTURE'],
      ].sort(),
    )
    expect(consumer.counters()).toMatchObject({ deadLettered: 2, duplicates: 2, handled: 2 })
  })

  test('G1: a database that was restored to an older state gets the lost effects again', async () => {
    const it = await open()
    const sent = Array.from({ length: 9 }, () => deposit('a'))
    await it.send(sent.slice(0, 4))
    const first = running(it)
    await first.start()
    await it.drained()
    const backup = await it.database.pool.query('SELECT * FROM oncebox.consumer_offset')
    await it.send(sent.slice(4))
    await it.drained()
    await first.stop()
    // What a restore does: effects, ids and offset go back together; the broker's committed offset does not.
    await it.database.pool.query('DELETE FROM effect WHERE message_id = ANY ($1)', [sent.slice(4).map(({ id }) => id)])
    await it.database.pool.query('DELETE FROM oncebox.inbox WHERE message_id = ANY ($1)', [
      sent.slice(4).map(({ id }) => id),
    ])
    await it.database.pool.query('UPDATE oncebox.consumer_offset SET next_offset = $1', [backup.rows[0].next_offset])
    await running(it).start()
    await until(async () => (await it.effects()).length >= 9, { what: 'the lost effects' })
    expect((await it.effects()).map((row) => row.message_id).sort()).toEqual(sent.map(({ id }) => id as string).sort())
  })

  test('G1: a topic that was deleted and made again without an id of its own does not skip its first records', async () => {
    const it = await open()
    await it.send([deposit('a'), deposit('a'), deposit('a')])
    const before = running(it)
    await before.start()
    await it.drained()
    await before.stop()
    const again = await bench(it.database)
    const sent = Array.from({ length: 2 }, () => deposit('b'))
    await again.send(sent)
    const after = running(again)
    await after.start()
    await again.drained()
    await after.stop()
    const { rows } = await it.database.pool.query('SELECT next_offset FROM oncebox.consumer_offset')
    expect(rows).toEqual([{ next_offset: '2' }])
    expect((await it.effects()).filter((row) => row.account === 'b')).toHaveLength(2)
  })

  test('G3: the effect and the id commit or roll back together', async () => {
    const it = await open()
    let failures = 2
    await it.send([deposit('a'), deposit('b')])
    await running(it, {
      poison: 'skip',
      handlers: {
        deposited: async (message, context) => {
          await depositInto(message, context)
          if (message.data.account === 'b' && failures-- > 0) throw new Error('not yet')
        },
      },
    }).start()
    await it.drained()
    expect((await it.effects()).map(({ account, attempt }) => [account, attempt])).toEqual([
      ['a', 1],
      ['b', 3],
    ])
  })
})
