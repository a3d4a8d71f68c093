import { setImmediate } from 'node:timers/promises'
import { printRoles } from '@oncebox/schema'
import type { Inspector } from '@oncebox/transport'
import { describe, expect, test } from 'vitest'
import { migratedDatabase, publishAll, write } from '../prepared.js'
import { setUps } from './setUps.js'

const place = { topic: 'orders', partition: 3 }
const trace = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7' }
/** The one topic `orders`, with what `offsets` says. */
function inspectorOf(offsets: Inspector['offsets']): Inspector {
  const facts = {
    topic: 'orders',
    partitions: 2,
    replicas: 1,
    inSync: 1,
    minInSync: 1,
    maxMessageBytes: 1,
    retentionMs: 1,
  }
  return {
    topics: async (names) => new Map(names.includes('orders') ? [['orders', facts]] : []),
    offsets,
    offsetsAt: () => Promise.reject(new Error('nobody asks')),
    close: async () => {},
  }
}
const none = { handled: 0, duplicates: 0, deadLettered: 0, skipped: 0, parked: 0, ignored: 0 }

describe.each(Object.entries(setUps))('metrics through %s', (_name, setUp) => {
  test('what a relay tells is counted by lane, and its publishes are timed', async () => {
    const { metrics, read } = setUp()
    metrics.relay({ event: 'ready', lane: 1, epoch: 7 })
    metrics.relay({ event: 'published', lane: 1, count: 2_000, waitedMs: 250, trace: null })
    metrics.relay({ event: 'published', lane: 1, count: 3, waitedMs: 750, trace })
    metrics.relay({ event: 'publish_failed', lane: 1, count: 5, code: 'TRANSPORT_FAILED' })
    metrics.relay({ event: 'parked', lane: 1, topic: 'orders', count: 4, code: 'TOPIC_MISSING' })
    const values = await read()
    expect(values.get('oncebox_relay_holds_lease{lane="1"}')).toBe(1)
    expect(values.get('oncebox_relay_published_messages_total{lane="1"}')).toBe(2_003)
    expect(values.get('oncebox_relay_publish_delay_seconds_count{lane="1"}')).toBe(2)
    expect(values.get('oncebox_relay_publish_delay_seconds_sum{lane="1"}')).toBe(1)
    expect(values.get('oncebox_relay_unacknowledged_messages_total{lane="1",code="TRANSPORT_FAILED"}')).toBe(5)
    expect(values.get('oncebox_relay_parked_messages_total{lane="1",topic="orders",code="TOPIC_MISSING"}')).toBe(4)

    metrics.relay({ event: 'lease_lost', lane: 1, epoch: 7 })
    const after = await read()
    expect(after.get('oncebox_relay_holds_lease{lane="1"}')).toBe(0)
    expect(after.get('oncebox_relay_lease_losses_total{lane="1"}')).toBe(1)
  })

  test('what a consumer tells is counted by group and topic, and its transactions and effects are timed', async () => {
    const { metrics, read } = setUp()
    const tell = metrics.consumer('billing')
    tell({ type: 'started', group: 'billing', topics: ['orders'] })
    tell({
      type: 'committed',
      ...place,
      ...none,
      handled: 90,
      duplicates: 10,
      tookMs: 40,
      first: { waitedMs: 60, trace },
    })
    tell({ type: 'committed', ...place, ...none, duplicates: 5, tookMs: 10, first: null })
    tell({ type: 'conflict', ...place, batchMessages: 50 })
    const values = await read()
    const at = 'group="billing",topic="orders"'
    expect(values.get('oncebox_consumer_running{group="billing"}')).toBe(1)
    expect(values.get(`oncebox_consumer_messages_total{${at},outcome="handled"}`)).toBe(90)
    expect(values.get(`oncebox_consumer_messages_total{${at},outcome="duplicate"}`)).toBe(15)
    expect(values.has(`oncebox_consumer_messages_total{${at},outcome="skipped"}`)).toBe(false)
    expect(values.get(`oncebox_consumer_transaction_seconds_count{${at}}`)).toBe(2)
    expect(values.get(`oncebox_consumer_transaction_seconds_sum{${at}}`)).toBe(0.05)
    expect(values.get(`oncebox_consumer_effect_delay_seconds_count{${at}}`)).toBe(1)
    expect(values.get(`oncebox_consumer_effect_delay_seconds_sum{${at}}`)).toBe(0.06)
    expect(values.get(`oncebox_consumer_conflicts_total{${at}}`)).toBe(1)
  })

  test('an id source is degraded from the first local id to the last', async () => {
    const { metrics, read } = setUp()
    const tell = metrics.ids('numbers')
    const degraded = async () => (await read()).get('oncebox_ids_degraded{source="numbers"}')
    expect(await degraded()).toBe(0)
    tell({ type: 'degraded', error: new Error('away') })
    expect(await degraded()).toBe(1)
    tell({ type: 'recovered', degradedMs: 1_000, fallbackIds: 12 })
    expect(await degraded()).toBe(0)
    expect((await read()).get('oncebox_ids_fallback_total{source="numbers"}')).toBe(12)
  })

  test('no message can make series: ids, types, keys, reasons and the thousandth topic bring no label of their own', async () => {
    const { metrics, read } = setUp()
    const tell = metrics.consumer('billing')
    for (let n = 0; n < 1_000; n++) {
      const hostile = `canary-${n}"\n{}`
      const reference = { ...place, offset: `${n}`, messageId: hostile, messageType: hostile }
      tell({ type: 'attemptFailed', attempts: n, error: new Error(hostile), ...reference })
      tell({ type: 'deadLettered', reason: n === 0 ? 'HANDLER_FAILED' : hostile, ...reference })
      tell({ type: 'skipped', reason: hostile, ...reference })
      tell({ type: 'blocked', reason: hostile, ...reference })
      tell({ type: 'putOff', retryAfterMs: n, ...reference })
      tell({ type: 'redriven', ...reference })
      metrics.relay({ event: 'parked', lane: 0, topic: `canary-${n}`, count: 1, code: 'TOPIC_MISSING' })
      metrics.relay({ event: 'interrupted', lane: n, code: hostile, retryInMs: 1 })
    }
    const values = await read()
    const of = (metric: string) => [...values.keys()].filter((series) => series.startsWith(`${metric}{`))
    const sum = (metric: string) => of(metric).reduce((total, series) => total + (values.get(series) ?? 0), 0)
    expect(of('oncebox_consumer_failed_attempts_total')).toHaveLength(1)
    expect(of('oncebox_consumer_dead_letters_total')).toHaveLength(2)
    expect(of('oncebox_consumer_blocked_total')).toHaveLength(1)
    expect(of('oncebox_relay_parked_messages_total')).toHaveLength(200)
    expect(of('oncebox_relay_interruptions_total')).toHaveLength(65)
    // What has no label of its own is counted all the same.
    expect(sum('oncebox_relay_parked_messages_total')).toBe(1_000)
    expect(sum('oncebox_consumer_dead_letters_total')).toBe(1_000)
    const text = [...values.keys()].filter((series) => !series.startsWith('oncebox_relay_parked')).join('\n')
    expect(text).not.toContain('canary')
  })

  test('the database is looked at when the metrics are read, and not again before its time', async () => {
    await using database = await migratedDatabase(18)
    await write(database.pool, 40)
    await publishAll(database.pool)
    await write(database.pool, 3)
    let nowMs = 0
    let statements = 0
    const tx = {
      query: (text: string, values?: unknown[]) => {
        statements++
        return database.pool.query(text, values)
      },
    }
    const { metrics, read } = setUp()
    metrics.database({ tx: tx as never, clock: { now: () => nowMs, sleep: () => new Promise(() => {}) } })
    expect(statements).toBe(0)
    const [values] = await Promise.all([read(), read(), read()])
    const asked = statements
    expect(values.get('oncebox_lane_waiting_messages{lane="0"}')).toBe(3)
    expect(values.get('oncebox_lane_oldest_waiting_seconds{lane="0"}')).toBeGreaterThan(0)
    expect(values.get('oncebox_lane_held{lane="0"}')).toBe(1)
    expect(values.get('oncebox_outbox_filled_leaves')).toBe(1)
    expect(values.get('oncebox_outbox_reclaim_overdue_seconds')).toBe(0)
    for (const part of ['lanes', 'outbox', 'inbox', 'groups', 'problems']) {
      expect(values.get(`oncebox_database_readable{part="${part}"}`), part).toBe(1)
    }

    await write(database.pool, 2)
    nowMs = 9_999
    expect((await read()).get('oncebox_lane_waiting_messages{lane="0"}')).toBe(3)
    expect(statements).toBe(asked)
    nowMs = 10_000
    expect((await read()).get('oncebox_lane_waiting_messages{lane="0"}')).toBe(5)
    expect(statements).toBe(2 * asked)
  })

  test('series of what is gone from the database are gone, and problems have their codes', async () => {
    await using database = await migratedDatabase(18)
    const { pool } = database
    await pool.query(
      `INSERT INTO oncebox.attempt (consumer, source, message_id, attempts, error)
       VALUES ('billing', 'shop', 'm-1', 1, '{}'), ('mail', 'shop', 'm-1', 2, '{}')`,
    )
    await publishAll(pool, null)
    await write(pool, 1)
    const { metrics, read } = setUp()
    metrics.database({ tx: pool, maxAgeMs: 0, deadlineMs: 60_000 })
    const values = await read()
    expect(values.get('oncebox_group_failing_messages{group="billing"}')).toBe(1)
    expect(values.get('oncebox_problems{problem="NO_RELAY"}')).toBe(1)
    await pool.query(`DELETE FROM oncebox.attempt WHERE consumer = 'billing'`)
    await publishAll(pool)
    const after = await read()
    expect(after.has('oncebox_group_failing_messages{group="billing"}')).toBe(false)
    expect(after.get('oncebox_group_failing_messages{group="mail"}')).toBe(1)
    expect(after.has('oncebox_problems{problem="NO_RELAY"}')).toBe(false)
  })

  test('of a database that does not answer in time nothing is told but that, and reading goes on', async () => {
    await using database = await migratedDatabase(18)
    const { pool } = database
    const { metrics, read } = setUp()
    let frozen = false
    const tx = {
      query: (text: string, values?: unknown[]) => (frozen ? new Promise(() => {}) : pool.query(text, values)),
    }
    metrics.database({ tx: tx as never, maxAgeMs: 0, deadlineMs: 50 })
    metrics.relay({ event: 'ready', lane: 0, epoch: 1 })
    frozen = true
    const values = await read()
    expect(values.get('oncebox_database_readable{part="lanes"}')).toBe(0)
    expect([...values.keys()].filter((series) => series.startsWith('oncebox_lane_'))).toEqual([])
    expect(values.get('oncebox_relay_holds_lease{lane="0"}')).toBe(1)
  })

  test('what a group has not read is measured against the ends in Kafka, and summed over the partitions of a topic', async () => {
    await using database = await migratedDatabase(18)
    await database.pool.query(
      `INSERT INTO oncebox.consumer_offset (consumer, topic, partition, next_offset)
       VALUES ('billing', 'orders', 0, 7), ('billing', 'orders', 1, 3), ('billing', 'gone', 0, 5), ('mail', 'orders', 0, 12)`,
    )
    const asked: string[] = []
    const ends = new Map([
      [0, { low: '0', high: '12' }],
      // What Kafka has deleted is not waited for.
      [1, { low: '10', high: '30' }],
    ])
    const inspector = inspectorOf(async (topic) => {
      asked.push(topic)
      return ends
    })
    const { metrics, read } = setUp()
    metrics.database({ tx: database.pool, inspector, deadlineMs: 60_000 })
    const values = await read()
    expect(values.get('oncebox_group_unread_messages{group="billing",topic="orders"}')).toBe(25)
    expect(values.get('oncebox_group_unread_messages{group="mail",topic="orders"}')).toBe(0)
    expect(values.has('oncebox_group_unread_messages{group="billing",topic="gone"}')).toBe(false)
    expect(values.get('oncebox_database_readable{part="unread"}')).toBe(1)
    expect(asked).toEqual(['orders'])
  })

  test('brokers that do not answer take nothing but their own gauge; without brokers there is none', async () => {
    await using database = await migratedDatabase(18)
    await database.pool.query(
      `INSERT INTO oncebox.consumer_offset (consumer, topic, partition, next_offset) VALUES ('billing', 'orders', 0, 7)`,
    )
    const away = setUp()
    let running = 0
    const tx = {
      query: (text: string, values?: unknown[]) => {
        running++
        return database.pool.query(text, values).finally(() => running--)
      },
    }
    let asked = () => {}
    const isAsked = new Promise<void>((resolve) => {
      asked = resolve
    })
    // The deadline comes when the brokers were asked, and the database has told everything.
    const sleep = async () => {
      await isAsked
      for (let quiet = 0; quiet < 3; quiet = running === 0 ? quiet + 1 : 0) await setImmediate()
    }
    const inspector = inspectorOf(() => {
      asked()
      return new Promise(() => {})
    })
    away.metrics.database({ tx: tx as never, inspector, clock: { now: () => 0, sleep } })
    const values = await away.read()
    expect(values.get('oncebox_database_readable{part="unread"}')).toBe(0)
    expect(values.get('oncebox_database_readable{part="groups"}')).toBe(1)
    expect(values.get('oncebox_lane_held{lane="0"}')).toBe(0)
    const without = setUp()
    without.metrics.database({ tx: database.pool, deadlineMs: 60_000 })
    const others = await without.read()
    expect(others.has('oncebox_database_readable{part="unread"}')).toBe(false)
    for (const read of [values, others]) {
      expect([...read.keys()].filter((series) => series.startsWith('oncebox_group_unread'))).toEqual([])
    }
  })

  test('what a user may not read is left out, and the rest is told: the relay knows its lanes, and no dead letters', async () => {
    await using database = await migratedDatabase(18)
    const role = `relay_${database.name}`
    const client = await database.pool.connect()
    try {
      await client.query(printRoles({ roles: { relay: role } }))
      await client.query(`SET ROLE ${role}`)
      const { metrics, read } = setUp()
      metrics.database({ tx: client, deadlineMs: 60_000 })
      const values = await read()
      const readable = ['lanes', 'outbox', 'inbox', 'groups'].map((part) =>
        values.get(`oncebox_database_readable{part="${part}"}`),
      )
      expect(readable).toEqual([1, 1, 0, 0])
      expect(values.get('oncebox_lane_waiting_messages{lane="0"}')).toBe(0)
      expect(values.has('oncebox_inbox_bytes')).toBe(false)
    } finally {
      await client.query('RESET ROLE')
      await client.query(`DROP OWNED BY ${role}`)
      await client.query(`DROP ROLE ${role}`)
      client.release()
    }
  })
})
