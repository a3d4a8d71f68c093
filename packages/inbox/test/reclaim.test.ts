import { localIds, type Tx, uuidV7Time } from '@oncebox/core'
import { pgDatabase } from '@oncebox/core/pg'
import { reclaimInbox } from '@oncebox/inbox'
import { inboxSlotOf } from '@oncebox/schema'
import { until } from '@oncebox/testkit'
import { postgresVersions, type TestDatabase } from '@oncebox/testkit/harness'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { keepMs, reclaimPlan, smallestUuidAt } from '../dist/reclaimPlan.js'
import { asConsumer, type Bench, bench, businessDatabase, deposit, depositInto } from './fixture.js'

const dayMs = 86_400_000

describe('the plan', () => {
  const now = fc.integer({ min: 1_700_000_000_000, max: 4_000_000_000_000 })

  test('G3: no leaf is given back to which an id belongs that can still come, whatever the clocks’ skew', () => {
    fc.assert(
      fc.property(
        now,
        fc.integer({ min: -3 * dayMs, max: 3 * dayMs }),
        fc.integer({ min: 1, max: 2 * dayMs }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (nowMs, skewMs, futureMs, place) => {
          // The floor was raised by a clock that went ahead or behind; ids come from the floor up to now + future.
          const earlier = reclaimPlan(nowMs + skewMs, 0, futureMs).floorMs
          const plan = reclaimPlan(nowMs, earlier, futureMs)
          expect(plan.floorMs).toBeGreaterThanOrEqual(earlier)
          const idMs = plan.floorMs + Math.floor(place * Math.max(0, nowMs + futureMs - plan.floorMs))
          expect(plan.slots).not.toContain(inboxSlotOf(idMs))
        },
      ),
    )
  })

  test('some leaf is free for reclaiming on every day, so the ring never fills', () => {
    fc.assert(
      fc.property(now, (nowMs) => {
        const noon = Math.floor(nowMs / dayMs) * dayMs + dayMs / 2
        expect(reclaimPlan(noon, 0, 600_000).slots).toEqual([inboxSlotOf(noon + dayMs)])
      }),
    )
  })

  test('an id sorts below the smallest one of a time exactly when it is older', () => {
    fc.assert(
      fc.property(now, fc.integer({ min: -5, max: 5 }), (boundMs, differenceMs) => {
        const id = localIds.next(boundMs + differenceMs)
        expect(id < smallestUuidAt(boundMs)).toBe(differenceMs < 0)
        expect(uuidV7Time(id)).toBe(boundMs + differenceMs)
      }),
    )
  })
})

describe.each(postgresVersions)('on Postgres %i', (version) => {
  let database: TestDatabase | undefined
  const stops: (() => Promise<void>)[] = []

  async function open(): Promise<Bench & { readonly db: ReturnType<typeof pgDatabase> }> {
    database = await businessDatabase(version)
    return { ...(await bench(database)), db: pgDatabase(asConsumer(database)) }
  }

  afterEach(async () => {
    for (const stop of stops.splice(0)) await stop()
    await database?.drop()
    database = undefined
  })

  /** An id whose day shares its leaf with tomorrow: the one that is next to be reclaimed. */
  const forgotten = () => localIds.next(Math.floor(Date.now() / dayMs) * dayMs - 11 * dayMs + dayMs / 2)
  const remember = (it: Bench, id: string) =>
    it.database.pool.query('INSERT INTO oncebox.inbox (consumer, message_id) VALUES ($1, $2)', ['bank', id])
  const remembered = async (it: Bench) =>
    (await it.database.pool.query('SELECT message_id FROM oncebox.inbox ORDER BY 1')).rows.map((row) => row.message_id)

  /** The rows that each transaction of `db` reads in a table. */
  function counting(it: Awaited<ReturnType<typeof open>>, table: string) {
    const read: number[] = []
    const counted = async (tx: Tx) => {
      const { rows } = await tx.query<{ read: number }>(
        `SELECT (seq_tup_read + idx_tup_fetch)::int AS read FROM pg_stat_xact_user_tables WHERE relname = $1::text`,
        [table],
      )
      return rows[0]?.read ?? 0
    }
    const db: typeof it.db = {
      ...it.db,
      transaction: (work) =>
        it.db.transaction(async (scope) => {
          const before = await counted(scope.tx)
          const result = await work(scope)
          read.push((await counted(scope.tx)) - before)
          return result
        }),
    }
    return { db, read }
  }

  test('G3: old ids are forgotten, the floor is raised before, and what comes late is refused', async () => {
    const it = await open()
    const old = forgotten()
    const recent = [localIds.next(Date.now() - 9 * dayMs), localIds.next()].sort()
    for (const id of [old, ...recent]) await remember(it, id)
    const result = await reclaimInbox({ db: it.db })
    expect(result).toMatchObject({ ran: true, leaves: [`inbox_${inboxSlotOf(uuidV7Time(old))}`] })
    expect(result.floorMs).toBeGreaterThan(uuidV7Time(old))
    // What refuses late ids is what other consumers read, not what this call answered.
    const { rows } = await it.database.pool.query('SELECT last_value FROM oncebox.inbox_floor')
    expect(Number(rows[0].last_value)).toBe(result.floorMs)
    expect(await remembered(it)).toEqual(recent)
    await it.send([{ ...deposit('a'), id: old }])
    const consumer = it.consumer({ horizonMs: keepMs - 600_000 })
    stops.push(() => consumer.stop())
    await consumer.start()
    await it.drained()
    expect(await it.effects()).toEqual([])
    expect(await it.deadLetters()).toMatchObject([{ message_id: old, reason: 'MESSAGE_PAST_HORIZON' }])
  })

  test('G3: an id that is inserted while the floor rises runs once: its leaf is kept, the late copy is refused', async () => {
    const it = await open()
    const id = forgotten()
    const leaf = `inbox_${inboxSlotOf(uuidV7Time(id))}`
    // A consumer that has inserted its id, and holds the leaf with it, before the floor rises.
    const consumer = await it.database.pool.connect()
    await consumer.query('BEGIN')
    await consumer.query('INSERT INTO oncebox.inbox (consumer, message_id) VALUES ($1, $2)', ['bank', id])
    await remember(it, localIds.next(uuidV7Time(id) - 1))
    const blocked = await reclaimInbox({ db: it.db, lockTimeoutMs: 50 })
    expect(blocked).toMatchObject({ ran: true, leaves: [] })
    // It read the floor after its insert, so it knows; had it read before, it would have run, and so would a copy.
    const { rows } = await consumer.query('SELECT last_value FROM oncebox.inbox_floor')
    expect(Number(rows[0].last_value)).toBeGreaterThan(uuidV7Time(id))
    await consumer.query('COMMIT')
    consumer.release()
    expect((await reclaimInbox({ db: it.db })).leaves).toEqual([leaf])
    await it.send([{ ...deposit('a'), id }])
    const late = it.consumer({ horizonMs: keepMs - 600_000 })
    stops.push(() => late.stop())
    await late.start()
    await it.drained()
    expect(await it.effects()).toEqual([])
  })

  test('G3: a consumer whose insert waited while the floor rose sees the new floor and refuses', async () => {
    const it = await open()
    const id = localIds.next(Date.now() - 3_600_000)
    const holder = await it.database.pool.connect()
    await holder.query('BEGIN')
    await holder.query('INSERT INTO oncebox.inbox (consumer, message_id) VALUES ($1, $2)', ['bank', id])
    await it.send([{ ...deposit('a'), id }])
    const consumer = it.consumer({})
    stops.push(() => consumer.stop())
    await consumer.start()
    const waits = async () => {
      const { rows } = await it.database.pool.query(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
         AND query LIKE '%INSERT INTO "oncebox"."inbox"%'`,
      )
      return rows.length === 1
    }
    await until(waits, { what: 'the consumer to wait for the id' })
    // Under the lock of those who reclaim: the consumer does too, and must not put back the floor that it found.
    await it.database.pool.query(`
      SELECT pg_advisory_xact_lock(hashtextextended('"oncebox" inbox reclaim', 0));
      SELECT setval('oncebox.inbox_floor', ${Date.now() - 60_000})`)
    await holder.query('ROLLBACK')
    holder.release()
    await it.drained()
    expect(await it.effects()).toEqual([])
    expect(await it.deadLetters()).toMatchObject([{ message_id: id, reason: 'MESSAGE_PAST_HORIZON' }])
  })

  test('reclaiming gives way to a reader that holds the leaf, and consumers do not wait long for it', async () => {
    const it = await open()
    const old = forgotten()
    await remember(it, old)
    const dump = await it.database.pool.connect()
    await dump.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
    await dump.query('LOCK TABLE oncebox.inbox IN ACCESS SHARE MODE')
    const consumer = it.consumer({})
    stops.push(() => consumer.stop())
    await consumer.start()
    await it.send([deposit('a')])
    expect(await reclaimInbox({ db: it.db, lockTimeoutMs: 20 })).toMatchObject({ leaves: [] })
    await it.drained()
    await dump.query('COMMIT')
    dump.release()
    const gone = async () => {
      await reclaimInbox({ db: it.db })
      return !(await remembered(it)).includes(old)
    }
    await until(gone, { what: 'the old id to be forgotten' })
  })

  test('G3: an id refused for its far future stays refused when its leaf is given back', async () => {
    const it = await open()
    const old = forgotten()
    // 24 days after the old one: the same leaf.
    const far = localIds.next(uuidV7Time(old) + 24 * dayMs)
    expect(inboxSlotOf(uuidV7Time(far))).toBe(inboxSlotOf(uuidV7Time(old)))
    await remember(it, old)
    await remember(it, far)
    expect((await reclaimInbox({ db: it.db })).leaves).toHaveLength(1)
    expect(await remembered(it)).toEqual([far])
  })

  test('foreign ids are forgotten by their arrival, and nothing younger than any horizon with them', async () => {
    const it = await open()
    for (const [age, id] of [
      ['13 days', 'old'],
      ['11 days', 'young'],
    ]) {
      await it.database.pool.query(
        `INSERT INTO oncebox.inbox_foreign (consumer, source, message_id, received_at)
         VALUES ('bank', 'shop', $1, now() - $2::interval)`,
        [id, age],
      )
    }
    expect(await reclaimInbox({ db: it.db })).toMatchObject({ deletedRows: 1 })
    const { rows } = await it.database.pool.query('SELECT message_id FROM oncebox.inbox_foreign')
    expect(rows).toEqual([{ message_id: 'young' }])
  })

  test('foreign ids past their time are deleted to the last one, in small transactions, however many came meanwhile', async () => {
    const it = await open()
    await it.database.pool.query(
      `INSERT INTO oncebox.inbox_foreign (consumer, source, message_id, received_at)
       SELECT 'bank', 'shop', n::text, now() - interval '13 days' FROM generate_series(1, 150) AS n`,
    )
    expect(await reclaimInbox({ db: it.db, batchRows: 1 })).toMatchObject({ deletedRows: 150 })
  })

  test('whether a leaf can be given back is looked up group by group, not id by id', async () => {
    const it = await open()
    const leaf = `inbox_${inboxSlotOf(uuidV7Time(forgotten()))}`
    const ids = JSON.stringify(Array.from({ length: 5_000 }, forgotten))
    await it.database.pool.query(
      `INSERT INTO oncebox.inbox (consumer, message_id)
       SELECT consumer, id::uuid FROM json_array_elements_text($1::json) AS id, unnest(ARRAY['bank', 'audit']) AS consumer`,
      [ids],
    )
    await it.database.pool.query('ANALYZE oncebox.inbox')
    const { db, read } = counting(it, leaf)
    expect((await reclaimInbox({ db })).leaves).toEqual([leaf])
    expect(Math.max(...read)).toBeLessThan(50)
  })

  test('foreign ids past their time are found without those that are kept', async () => {
    const it = await open()
    await it.database.pool.query(
      `INSERT INTO oncebox.inbox_foreign (consumer, source, message_id)
       SELECT 'bank', 'shop', n::text FROM generate_series(1, 5000) AS n`,
    )
    await it.database.pool.query('ANALYZE oncebox.inbox_foreign')
    const { db, read } = counting(it, 'inbox_foreign')
    expect(await reclaimInbox({ db })).toMatchObject({ deletedRows: 0 })
    expect(Math.max(...read)).toBeLessThan(50)
  })

  test('a consumer looks for retries that are due without those that are put off', async () => {
    const it = await open()
    await it.database.pool.query(
      `INSERT INTO oncebox.dead_letter
         (record_time, partition, attempts, consumer, source, message_id, topic, type, reason, headers, retry_at)
       SELECT now(), 0, 3, 'bank', 'shop', n::text, 'accounts', 'deposited', 'HANDLER_FAILED', '[]', now() + interval '1 hour'
       FROM generate_series(1, 3000) AS n`,
    )
    await it.database.pool.query('ANALYZE oncebox.dead_letter')
    const { db, read } = counting(it, 'dead_letter')
    const consumer = it.consumer({ db, redrivePollMs: 10 })
    stops.push(() => consumer.stop())
    await consumer.start()
    await until(() => read.length > 20, { what: 'the consumer to look for retries' })
    expect(Math.max(...read)).toBeLessThan(50)
  })

  test('of many processes one reclaims, and a running consumer does so by itself', async () => {
    const it = await open()
    await remember(it, forgotten())
    const blocker = await it.database.pool.connect()
    await blocker.query('BEGIN')
    await blocker.query(`SELECT pg_advisory_xact_lock(hashtextextended('"oncebox" inbox reclaim', 0))`)
    expect(await reclaimInbox({ db: it.db })).toMatchObject({ ran: false, leaves: [] })
    await blocker.query('COMMIT')
    blocker.release()
    const consumer = it.consumer({})
    stops.push(() => consumer.stop())
    await consumer.start()
    await until(async () => (await remembered(it)).length === 0, { what: 'the consumer to reclaim' })
  })

  test('G6: handling messages leaves no dead tuples in the inbox', async () => {
    const it = await open()
    const consumer = it.consumer({ handlers: { deposited: depositInto }, batchMessages: 50 })
    stops.push(() => consumer.stop())
    await consumer.start()
    await it.send(Array.from({ length: 500 }, () => deposit('a')))
    await it.drained()
    await consumer.stop()
    const dead = async () => {
      await it.database.pool.query('VACUUM (INDEX_CLEANUP ON) oncebox.inbox')
      const { rows } = await it.database.pool.query(
        `SELECT coalesce(sum(n_dead_tup + n_tup_del + n_tup_upd), 0)::int AS dead, sum(n_tup_ins)::int AS inserted
         FROM pg_stat_user_tables WHERE schemaname = 'oncebox' AND relname ~ '^inbox_[0-9]+$'`,
      )
      return rows[0]
    }
    await until(async () => (await dead()).inserted === 500, { what: 'the statistics to arrive', deadlineMs: 40_000 })
    expect((await dead()).dead).toBe(0)
  })
})
