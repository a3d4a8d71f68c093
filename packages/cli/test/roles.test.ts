import { defineMessages, localIds, type Tx } from '@oncebox/core'
import { pgDatabase } from '@oncebox/core/pg'
import { businessKey } from '@oncebox/guards'
import { createConsumer, handleAgain, reclaimInbox } from '@oncebox/inbox'
import {
  beginReplayRun,
  consumerLag,
  discardDeadLetters,
  doctor,
  laneLag,
  listDeadLetters,
  pausePublishing,
  planReplay,
  readPauses,
  readPinnedTopics,
  repinTopic,
  replayRunStep,
  replayRuns,
  resumePublishing,
  retryDeadLetters,
  status,
  timeline,
} from '@oncebox/ops'
import { createOutbox } from '@oncebox/outbox'
import { changeLanes, createRelay, readLanes } from '@oncebox/relay'
import {
  applyRoles,
  insertPublications,
  migrate,
  publicationsParameter,
  type RoleKind,
  roleKinds,
  tables,
} from '@oncebox/schema'
import { until } from '@oncebox/testkit'
import { postgresVersions, type TestDatabase, testDatabase, uniqueName } from '@oncebox/testkit/harness'
import { memoryTransport } from '@oncebox/transport/memory'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { oncebox } from './oncebox.js'

const messages = defineMessages({
  made: { topic: 'orders', schema: z.object({ n: z.number() }), key: ({ n }) => `k${n}` },
})

describe.each(postgresVersions)('the rights that roles get, on Postgres %i', (version) => {
  const names = Object.fromEntries(roleKinds.map((kind) => [kind, uniqueName(kind)])) as Record<RoleKind, string>
  const pools = new Map<RoleKind, pg.Pool>()
  const transport = memoryTransport()
  let database: TestDatabase

  beforeAll(async () => {
    database = await testDatabase({ version })
    const client = await database.pool.connect()
    await migrate(client)
    // Twice: the second run finds the roles.
    await applyRoles(client, { roles: names })
    await applyRoles(client, { roles: names })
    await client.query('CREATE TABLE effect (n int)')
    await client.query(`GRANT INSERT, SELECT ON effect TO ${names.consumer}`)
    client.release()
    for (const kind of roleKinds) {
      const url = new URL(database.url)
      url.searchParams.set('options', `-c role=${names[kind]}`)
      pools.set(kind, new pg.Pool({ connectionString: url.href, max: 5 }))
    }
    transport.createTopic('orders', 2)
    transport.createTopic('dead', 1)
  })
  afterAll(async () => {
    await Promise.all([...pools.values()].map((pool) => pool.end()))
    for (const name of Object.values(names)) {
      await database?.pool.query(`DROP OWNED BY ${name}; DROP ROLE ${name}`)
    }
    await database?.drop()
  })

  const as = (kind: RoleKind) => pools.get(kind) as pg.Pool
  const emitAsProducer = (count: number) =>
    pgDatabase(as('producer')).transaction(async ({ tx }) => {
      const outbox = createOutbox({ source: 'shop', messages })
      for (let n = 0; n < count; n++) await outbox.emit(tx, 'made', { n })
      await outbox.emit(tx, {
        topic: 'orders',
        key: 'later',
        type: 'made',
        data: { n: 0 },
        deliverAt: new Date(Date.now() + 100),
      })
      await outbox.emitMany(tx, [{ topic: 'orders', key: 'many', type: 'made', data: { n: 1 } }])
    })

  test('a producer emits, schedules and takes ids; a relay publishes, moves what is due, parks and empties leaves', async () => {
    await emitAsProducer(3)
    await as('producer').query(
      `SELECT oncebox.emit('orders', 'k', 'made', '{"n": 5}'::jsonb), nextval('oncebox.id_segment')`,
    )
    await database.pool.query(`UPDATE oncebox.database_identity SET system_identifier = '1'`)
    await database.pool.query(`UPDATE oncebox.outbox SET created_at = now() - interval '4 days'`)
    await database.pool.query(`SELECT setval('oncebox.outbox_slot', 7)`)
    transport.refuse((record) => (record.topic === 'refused' ? 'NOT_AUTHORIZED' : null))
    transport.createTopic('refused', 1)
    await as('producer').query(`SELECT oncebox.emit('refused', 'k', 'made', '{}'::jsonb)`)
    const events: string[] = []
    const relay = createRelay({
      pool: as('relay'),
      publisher: transport.publisher(),
      reclaimEveryMs: 50,
      leafWidthMs: 1,
      onEvent: ({ event }) => events.push(event),
    })
    onTestFinished(() => relay.stop())
    await relay.start()
    await relay.drain()
    const expected = ['identity_changed', 'due', 'parked', 'leaf_reclaimed', 'slot_switched']
    await until(() => expected.every((event) => events.includes(event)), {
      what: 'the relay to have done everything',
      deadlineMs: 20_000,
    })
    // 'due' says that a message was moved to the outbox; it is published a moment later.
    await until(() => transport.records('orders').length >= 6, { what: 'every message to arrive', deadlineMs: 20_000 })
    transport.refuse(null)
    await until(() => events.includes('released'), { what: 'what was parked to leave', deadlineMs: 20_000 })
    await relay.stop()
    const batch = {
      lane: 0,
      topic: 'orders',
      partition: 0,
      firstPosition: '1',
      lastPosition: '2',
      baseOffset: '0',
      count: 2,
    }
    await as('relay').query(insertPublications(tables()), [publicationsParameter([batch])])
    await database.pool.query(
      `UPDATE oncebox.publication SET slot = oncebox.publication_slot(now() - interval '84 hours')`,
    )
    expect((await as('relay').query('SELECT oncebox.reclaim_publications() AS emptied')).rows).toEqual([{ emptied: 1 }])
  })

  test('a consumer handles, fails, parks, redrives, guards and reclaims; an operator decides; a viewer looks', async () => {
    await emitAsProducer(2)
    const relay = createRelay({ pool: as('relay'), publisher: transport.publisher() })
    await relay.start()
    await relay.drain()
    await relay.stop()
    let failing = true
    const consumer = createConsumer({
      db: pgDatabase(as('consumer')),
      subscriber: transport.subscriber(),
      group: 'billing',
      messages,
      attempts: 2,
      backoff: { minMs: 1, maxMs: 2 },
      redrivePollMs: 20,
      allowLongerRetention: true,
      deadLetterTopic: { topic: 'dead', publisher: transport.publisher() },
      handlers: {
        made: async ({ data }, { tx }) => {
          if (failing && data.n === 1) throw new Error('canary-error')
          await businessKey(tx, { scope: 'made', key: localIds.next() }, async () => null)
          await tx.query('INSERT INTO effect VALUES ($1)', [data.n])
        },
      },
    })
    onTestFinished(() => consumer.stop())
    await consumer.start()
    const letters = () => listDeadLetters(as('viewer'))
    await until(async () => (await letters()).length >= 2, { what: 'dead letters', deadlineMs: 20_000 })
    await until(() => transport.records('dead').length >= 2, { what: 'copies of them', deadlineMs: 20_000 })
    failing = false
    const [first, second] = await letters()
    const filter = (letter: typeof first) => ({ numbers: [letter?.number ?? ''] })
    await pgDatabase(as('operator')).transaction(async ({ tx }) => {
      await retryDeadLetters(tx, { filter: filter(first), by: 'ann' })
      await discardDeadLetters(tx, { filter: filter(second), by: 'ann', why: 'a test' })
    })
    await until(async () => (await letters()).every(({ number }) => number !== first?.number), { what: 'the retry' })
    await consumer.stop()
    const hex = (Date.now() - 11 * 86_400_000).toString(16).padStart(12, '0')
    const old = `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`
    await database.pool.query(`INSERT INTO oncebox.inbox VALUES ('billing', $1)`, [old])
    expect((await reclaimInbox({ db: pgDatabase(as('consumer')) })).leaves).toHaveLength(1)

    const tx = as('viewer')
    const checks = await doctor(tx, { limits: { sampleMs: 0 } })
    const lags = [await laneLag(tx), await consumerLag(tx, { inspector: null })]
    expect(JSON.stringify([await status(tx), lags, checks])).not.toContain('canary')
    expect((await timeline(tx, first?.messageId ?? '')).effects).toMatchObject([{ state: 'handled' }])
    // The size of a payload cannot be asked for without the right to read it.
    const unread = checks.filter(({ reason }) => reason === 'this user may not read it').map(({ check }) => check)
    expect(unread).toEqual(['the largest waiting message fits its topic'])
    // So that a table which comes later is not forgotten.
    expect(checks[0]).toMatchObject({ check: 'rights of this user', state: 'advice' })
  })

  test('an operator pauses, resumes and changes the lanes; a relay follows', async () => {
    const events: string[] = []
    const onEvent = ({ event }: { event: string }) => events.push(event)
    const relay = createRelay({ pool: as('relay'), publisher: transport.publisher(), pauseLookMs: 20, onEvent })
    onTestFinished(() => relay.stop())
    await relay.start()
    const decide = (work: (tx: Tx) => Promise<unknown>) => pgDatabase(as('operator')).transaction(({ tx }) => work(tx))
    await decide((tx) => pausePublishing(tx, { targets: [{ topic: 'orders' }, { lane: 0 }], by: 'ann' }))
    await until(() => events.filter((event) => event === 'paused').length === 2, { what: 'the pauses' })
    expect(await readPauses(as('viewer'))).toMatchObject([{ by: 'ann' }, { by: 'ann' }])
    await decide((tx) => resumePublishing(tx, { targets: [{ topic: 'orders' }, { lane: 0 }], by: 'ann' }))
    await until(() => events.filter((event) => event === 'resumed').length === 2, { what: 'the resumptions' })
    const run = localIds.next()
    const hour = 3_600_000
    const filter = { topic: 'orders', fromMs: Date.now() - hour, toMs: Date.now() + hour }
    await decide(async (tx) => {
      const plan = await planReplay(tx, { filter })
      await beginReplayRun(tx, { run, group: 'billing', plan, by: 'ann', why: 'a test' })
      const again = { group: 'billing', by: 'ann' }
      const step = await replayRunStep(tx, tx, { run, limit: 2 }, (_, records) =>
        handleAgain(tx, { ...again, records }),
      )
      expect(step.asked + step.waiting + step.dead).toBeGreaterThan(0)
    })
    expect(await replayRuns(as('viewer'), { run })).toMatchObject([{ by: 'ann', why: 'a test' }])
    const seen = async () =>
      (await readPinnedTopics(as('viewer'), { inspector: null })).find(({ topic }) => topic === 'orders')
    const pinned = (await seen())?.pinned ?? 0
    await decide((tx) => pausePublishing(tx, { targets: [{ topic: 'orders' }], by: 'ann' }))
    await decide((tx) => repinTopic(tx, { topic: 'orders', partitions: pinned + 1, by: 'ann' }))
    expect(await seen()).toMatchObject({ pinned: pinned + 1, paused: true })
    await decide((tx) => repinTopic(tx, { topic: 'orders', partitions: pinned, by: 'ann' }))
    await decide((tx) => resumePublishing(tx, { targets: [{ topic: 'orders' }], by: 'ann' }))
    await decide((tx) => changeLanes(tx, 2))
    await decide((tx) => changeLanes(tx, 1))
    expect(await readLanes(as('viewer'))).toEqual([0])
  })

  const denied = '42501'
  const outcome = (kind: RoleKind, sql: string) =>
    as(kind)
      .query(sql)
      .then(
        () => 'done',
        (error: { code: string }) => error.code,
      )

  test.each<readonly [RoleKind, string]>([
    ['producer', 'SELECT payload FROM oncebox.outbox'],
    ['producer', 'SELECT FROM oncebox.scheduled'],
    ['producer', 'UPDATE oncebox.relay_cursor SET epoch = 9'],
    ['producer', 'SELECT FROM oncebox.relay_cursor'],
    [
      'producer',
      `INSERT INTO oncebox.outbox (id, source, topic, type, xid) VALUES (gen_random_uuid(), 's', 't', 'y', '5')`,
    ],
    ['producer', 'DELETE FROM oncebox.outbox'],
    ['producer', `SELECT setval('oncebox.outbox_slot', 1)`],
    ['producer', 'SELECT FROM oncebox.dead_letter'],
    ['producer', 'SELECT FROM oncebox.inbox'],
    ['relay', 'UPDATE oncebox.outbox SET payload = NULL'],
    ['relay', 'DELETE FROM oncebox.outbox'],
    ['relay', 'SELECT FROM oncebox.dead_letter'],
    ['relay', 'SELECT FROM oncebox.inbox'],
    ['relay', 'INSERT INTO oncebox.migration VALUES (99)'],
    ['consumer', 'SELECT FROM oncebox.outbox'],
    ['consumer', `SELECT oncebox.emit('t', 'k', 'y', '1'::jsonb)`],
    ['consumer', 'UPDATE oncebox.relay_cursor SET epoch = 9'],
    ['consumer', 'DELETE FROM oncebox.inbox'],
    ['consumer', 'DELETE FROM oncebox.dead_letter_action'],
    ['operator', 'UPDATE oncebox.relay_cursor SET epoch = 9'],
    ['operator', 'DELETE FROM oncebox.outbox'],
    ['operator', 'DELETE FROM oncebox.pause'],
    ['operator', 'DELETE FROM oncebox.replay_request'],
    ['producer', 'SELECT oncebox.change_lanes(2)'],
    ['relay', 'SELECT oncebox.change_lanes(2)'],
    ['consumer', 'SELECT oncebox.change_lanes(2)'],
    ['viewer', 'SELECT oncebox.change_lanes(2)'],
    ['producer', "SELECT oncebox.repin_topic('t', 2, 'x', NULL)"],
    ['relay', "SELECT oncebox.repin_topic('t', 2, 'x', NULL)"],
    ['consumer', "SELECT oncebox.repin_topic('t', 2, 'x', NULL)"],
    ['viewer', "SELECT oncebox.repin_topic('t', 2, 'x', NULL)"],
    ['relay', 'UPDATE oncebox.pinned_topic SET partitions = 2'],
    ['operator', 'UPDATE oncebox.pinned_topic SET partitions = 2'],
    ['operator', 'DELETE FROM oncebox.topic_repin'],
    ['relay', "INSERT INTO oncebox.pause (topic, paused_by) VALUES ('t', 'x')"],
    ['operator', 'TRUNCATE oncebox.outbox_0'],
    ['operator', `SELECT setval('oncebox.inbox_floor', 1)`],
    ['operator', 'DELETE FROM oncebox.dead_letter_action'],
    ['viewer', 'SELECT payload FROM oncebox.outbox'],
    ['viewer', 'SELECT headers FROM oncebox.outbox_0'],
    ['viewer', 'SELECT payload FROM oncebox.scheduled'],
    ['viewer', 'SELECT payload FROM oncebox.parked'],
    ['viewer', 'SELECT payload FROM oncebox.dead_letter'],
    ['viewer', 'SELECT error FROM oncebox.dead_letter'],
    ['viewer', 'SELECT error FROM oncebox.attempt'],
    ['viewer', 'SELECT payload FROM oncebox.parked_delivery'],
    ['viewer', 'SELECT result FROM oncebox.business_key'],
    ['viewer', `SELECT oncebox.emit('t', 'k', 'y', '1'::jsonb)`],
    ['viewer', 'UPDATE oncebox.dead_letter SET retry_at = now()'],
    ['viewer', "SELECT oncebox.reclaim_publications(interval '0')"],
  ])('a %s must not: %s', async (kind, sql) => {
    if (sql.includes('reclaim_publications')) {
      await database.pool.query(
        `INSERT INTO oncebox.publication (first_position, last_position, count, partition, lane, topic, slot)
         VALUES (1, 1, 1, 0, 0, 't', oncebox.publication_slot(now() - interval '12 hours'))`,
      )
    }
    expect(await outcome(kind, sql)).toBe(denied)
  })
})

test('oncebox roles prints the grants without a database: of all five, or of those that are named', async () => {
  const all = await oncebox(['roles'])
  expect(all).toMatchObject({ code: 0, stderr: '' })
  for (const kind of roleKinds) expect(all.stdout).toContain(`CREATE ROLE "oncebox_${kind}" NOLOGIN`)
  const one = await oncebox(['roles', '--producer', 'the shop', '--schema', 'my box', '--json'])
  const { schema, sql } = JSON.parse(one.stdout) as { schema: string; sql: string }
  expect(schema).toBe('my box')
  expect(sql).toContain('GRANT USAGE ON SCHEMA "my box" TO "the shop";')
  expect(sql).not.toMatch(/relay_cursor|viewer/)
})

test('oncebox migrate --roles migrates and gives the rights; it does not go with --print', async () => {
  await using database = await testDatabase()
  const schema = uniqueName('box')
  const environment = { DATABASE_URL: database.url, ONCEBOX_SCHEMA: schema }
  try {
    const { code, stdout } = await oncebox(['migrate', '--roles', '--json'], { environment })
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ schema, roles: roleKinds.map((kind) => `${schema}_${kind}`) })
    const { rows } = await database.pool.query(
      `SELECT has_table_privilege($1, $2, 'SELECT') AS reads, has_any_column_privilege($1, $2, 'INSERT') AS writes`,
      [`${schema}_producer`, `${schema}.outbox`],
    )
    expect(rows).toEqual([{ reads: false, writes: true }])
    expect((await oncebox(['migrate', '--roles', '--print'], { environment })).code).toBe(2)
  } finally {
    for (const kind of roleKinds)
      await database.pool.query(`DROP OWNED BY ${schema}_${kind}; DROP ROLE ${schema}_${kind}`)
  }
})
