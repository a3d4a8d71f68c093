import { createRelay } from '@oncebox/relay'
import { uniqueName } from '@oncebox/testkit/harness'
import { memoryTransport } from '@oncebox/transport/memory'
import { describe, expect, test } from 'vitest'
import { jsonLines, oncebox } from './oncebox.js'
import { emitSql, type MigratedDatabase, migratedDatabase } from './outbox.js'

interface Shown {
  readonly databases: readonly {
    readonly scheduledFor: string | null
    readonly writes: readonly {
      readonly state: string
      readonly transaction: string
      readonly publications: readonly {
        readonly partition: number
        readonly offset: string | null
        readonly certain: boolean
      }[]
    }[]
    readonly parked: { readonly reason: string } | null
    readonly effects: readonly Record<string, unknown>[]
  }[]
}

async function shown(id: string, database: MigratedDatabase, ...args: string[]): Promise<Shown['databases']> {
  const { code, stdout, stderr } = await oncebox(['show', id, '--json', ...args], database)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).not.toContain('canary')
  return (jsonLines(stdout)[0] as unknown as Shown).databases
}

async function publishAll(database: MigratedDatabase, transport = memoryTransport()) {
  const relay = createRelay({ pool: database.pool, publisher: transport.publisher(), createTopics: 3 })
  await relay.start()
  await relay.drain()
  await relay.stop()
  return transport
}

const text = (bytes: Uint8Array | null) => Buffer.from(bytes ?? []).toString()

describe('oncebox show', () => {
  test('before it is published: by which transaction it was written, and that it waits; then where it went, to the offset', async () => {
    await using database = await migratedDatabase()
    const ids: string[] = []
    for (let n = 0; n < 12; n++) {
      ids.push(
        ...(await emitSql(database, { topic: 'orders', key: `k${n % 5}`, payload: 'canary-payload' }, 1 + (n % 3))),
      )
    }
    const id = ids[9] as string
    const { rows } = await database.pool.query('SELECT xid::text AS xid FROM oncebox.outbox WHERE id = $1', [id])
    expect((await shown(id, database))[0]?.writes).toMatchObject([
      { state: 'waiting', transaction: rows[0].xid, publications: [] },
    ])
    const transport = await publishAll(database)
    const records = transport.records('orders')
    for (const one of [id, ids[0] as string, ids.at(-1) as string]) {
      const record = records.find(({ headers }) =>
        headers.some(([name, value]) => name === 'ce_id' && text(value) === one),
      )
      const [write] = (await shown(one, database))[0]?.writes ?? []
      expect(write?.state).toBe('published')
      expect(write?.publications).toMatchObject([
        { partition: record?.partition, offset: String(record?.offset), certain: true },
      ])
    }
    const asText = await oncebox(['show', id], database)
    expect(asText.stdout).toMatch(
      /^ {2}written {4}\S+Z {2}by transaction \d+, position \d+: type test, topic orders, key "k\d", source/m,
    )
    expect(asText.stdout).toMatch(/^ {2}published {2}\S+Z {2}to orders\/\d, offset \d+$/m)
  })

  test('a message without a key, one that is scheduled, and one that the relay holds back', async () => {
    await using database = await migratedDatabase()
    const [keyless] = await emitSql(database, { topic: 'orders', key: null, payload: '{}' })
    const [refused] = await emitSql(database, { topic: 'refused', key: 'k', payload: '{}' })
    const transport = memoryTransport()
    transport.refuse(({ topic }) => (topic === 'refused' ? 'NOT_AUTHORIZED' : null))
    await publishAll(database, transport)
    await database.pool.query(
      `INSERT INTO oncebox.scheduled (due_at, id, source, topic, type)
       VALUES ('2030-01-01T00:00:00Z', '01a2143c-7a46-718b-ac8e-3d4f54d8b24d', 's', 'orders', 'y')`,
    )
    const [write] = (await shown(keyless as string, database))[0]?.writes ?? []
    expect(write?.publications).toMatchObject([{ certain: false, offset: null }])
    expect((await shown(refused as string, database))[0]).toMatchObject({
      writes: [{ state: 'parked' }],
      parked: { reason: 'NOT_AUTHORIZED' },
    })
    expect((await shown('01A2143C-7A46-718B-AC8E-3D4F54D8B24D', database))[0]).toMatchObject({
      scheduledFor: '2030-01-01T00:00:00.000Z',
      writes: [],
    })
  })

  test('what each group made of it, in the databases of the consumers', async () => {
    await using producer = await migratedDatabase()
    await using consumer = await migratedDatabase()
    const [id] = await emitSql(producer, { topic: 'orders', key: 'k', payload: 'canary-payload' })
    await consumer.pool.query(
      `WITH groups (name) AS (VALUES ('audit'), ('billing'), ('mail'), ('points'), ('warehouse'))
       INSERT INTO oncebox.inbox (consumer, message_id) SELECT name, $1 FROM groups`,
      [id],
    )
    await consumer.pool.query(
      `INSERT INTO oncebox.inbox (consumer, message_id) SELECT 'other', gen_random_uuid() FROM generate_series(1, 50)`,
    )
    await consumer.pool.query(
      `INSERT INTO oncebox.attempt (attempts, consumer, source, message_id, error) VALUES (3, 'stock', 's', $1, '{"message": "canary"}')`,
      [id],
    )
    await consumer.pool.query(
      `WITH letter AS (
         INSERT INTO oncebox.dead_letter (record_time, partition, attempts, consumer, source, message_id, topic, type, reason, headers, retry_at)
         SELECT now(), 0, 8, name, 's', $1, 'orders', 'y', 'HANDLER_FAILED', '[]', CASE name WHEN 'mail' THEN now() END
         FROM (VALUES ('billing'), ('mail')) AS groups (name) RETURNING *
       )
       INSERT INTO oncebox.dead_letter_action (dead_letter, action, done_by, consumer, source, message_id, topic, type, reason)
       SELECT number, 'retry', 'ann', consumer, source, message_id, topic, type, reason FROM letter WHERE consumer = 'mail'`,
      [id],
    )
    await consumer.pool.query(
      `INSERT INTO oncebox.parked_delivery (record_time, partition, consumer, source, message_id, topic, type, key, key_digest, headers)
       VALUES (now(), 0, 'points', 's', $1, 'orders', 'y', 'k', 'd', '[]')`,
      [id],
    )
    const [, there] = await shown(id as string, producer, '--consumer-url', consumer.url)
    expect(there?.writes).toEqual([])
    expect(there?.effects.map(({ group, state, attempts }) => [group, state, attempts])).toEqual([
      ['audit', 'handled', 0],
      ['billing', 'dead', 8],
      ['mail', 'retrying', 8],
      ['points', 'waiting', 0],
      ['stock', 'failing', 3],
      ['warehouse', 'handled', 0],
    ])
    expect(there?.effects[1]).toMatchObject({ reason: 'HANDLER_FAILED', deadLetter: '1' })
    expect(there?.effects[2]).toMatchObject({ actions: [{ action: 'retry', by: 'ann' }] })
    const asText = await oncebox(['show', id as string, '--consumer-url', consumer.url], producer)
    expect(asText.stdout).toMatch(
      /^ {2}dead {8}\S+Z {2}in group billing, 8 failed attempts: HANDLER_FAILED \(oncebox dead show 1\)$/m,
    )
  })

  test('ids of others at a consumer; an id that is made long before it is written; one that nobody knows is exit 1', async () => {
    await using database = await migratedDatabase()
    await database.pool.query(
      `INSERT INTO oncebox.inbox_foreign (consumer, source, message_id) VALUES ('billing', 's', 'invoice-7')`,
    )
    expect((await shown('invoice-7', database))[0]?.effects).toMatchObject([{ group: 'billing', state: 'handled' }])
    const random = '6b1f2f0e-3f1d-4c8e-9d0a-1f2e3d4c5b6a'
    const early = '00000000-1000-7000-8000-000000000000'
    for (const id of [random, early]) {
      await database.pool.query(
        `INSERT INTO oncebox.outbox (id, source, topic, type) VALUES ($1, 's', 'orders', 'y')`,
        [id],
      )
      expect((await shown(id, database))[0]?.writes).toHaveLength(1)
    }
    const unknown = await oncebox(['show', uniqueName('nobody'), '--json'], database)
    expect(unknown).toMatchObject({ code: 1, stdout: '' })
    expect(unknown.stderr).toContain('Nobody here knows the message')
    expect(unknown.stderr).toContain('--consumer-url')
  })
})
