import { AssertionError } from 'node:assert'
import { fromPg } from '@oncebox/core/pg'
import { createOutbox } from '@oncebox/outbox'
import { expectEmitted } from '@oncebox/outbox/testing'
import { postgresVersions, type TestDatabase } from '@oncebox/testkit/harness'
import type pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { inTransaction, messages, migratedDatabase } from './kit.js'

const outbox = createOutbox({ source: 'shop', messages })

describe.each(postgresVersions)('expectEmitted on Postgres %i', (version) => {
  let database: TestDatabase
  let client: pg.PoolClient
  beforeAll(async () => {
    database = await migratedDatabase(version)
    const later = { deliverAt: new Date(Date.now() + 60_000) }
    await inTransaction(database, async (_, tx) => {
      await outbox.emit(tx, 'order.created', { id: 'of another transaction' })
      await outbox.emit(tx, 'order.created', { id: 'of another transaction' }, later)
    })
  })
  beforeEach(async () => {
    client = await database.pool.connect()
    await client.query('begin')
  })
  afterEach(async () => {
    await client.query('rollback')
    client.release()
  })
  afterAll(() => database?.drop())

  const failure = async (promise: Promise<unknown>): Promise<AssertionError> => {
    const error = await promise.then(
      () => new Error('did not fail'),
      (thrown: unknown) => thrown,
    )
    expect(error).toBeInstanceOf(AssertionError)
    return error as AssertionError
  }

  it('passes for what this transaction has emitted, in order, and gives it back', async () => {
    const tx = fromPg(client)
    const at = new Date(5)
    await expectEmitted(tx, [])
    await outbox.emit(tx, 'order.created', { id: 'o-1' }, { headers: { tenant: 't', other: 'x' } })
    await outbox.emit(tx, { topic: 'raw', type: 'bytes', data: Uint8Array.of(1, 2) })
    await outbox.emit(tx, { topic: 'raw', type: 'dated', data: { at } })
    await outbox.emit(tx, { topic: 'raw', type: 'tombstone', key: 'k', data: null })
    const emitted = await expectEmitted(tx, [
      { type: 'order.created', topic: 'orders', key: 'o-1', data: { id: 'o-1', total: 0 }, headers: { tenant: 't' } },
      { type: 'bytes', data: Uint8Array.of(1, 2), contentType: 'application/octet-stream' },
      { type: 'dated', data: { at }, source: 'shop', deliverAt: null },
      { type: 'tombstone', data: null },
    ])
    expect(emitted[0]).toMatchObject({ key: 'o-1', headers: { tenant: 't', other: 'x' } })
  })

  it('sees messages of released savepoints and scheduled ones, not those taken back, not those of others', async () => {
    const tx = fromPg(client)
    const deliverAt = new Date(Date.now() + 60_000)
    await client.query('savepoint s')
    await outbox.emit(tx, 'order.created', { id: 'undone' })
    await outbox.emit(tx, 'order.created', { id: 'undone' }, { deliverAt })
    await client.query('rollback to savepoint s')
    await client.query('savepoint s')
    await outbox.emit(tx, 'order.created', { id: 'later' }, { deliverAt })
    await outbox.emit(tx, 'order.created', { id: 'kept' })
    await client.query('release savepoint s')
    await outbox.emit(tx, 'order.created', { id: 'even later' }, { deliverAt })
    await expectEmitted(tx, [
      { type: 'order.created', key: 'kept' },
      { type: 'order.created', key: 'later', deliverAt },
      { type: 'order.created', key: 'even later', deliverAt },
    ])
  })

  it('fails with the differences and nothing else', async () => {
    const tx = fromPg(client)
    await outbox.emit(tx, 'order.created', { id: 'o-1', total: 5 })
    const error = await failure(
      expectEmitted(tx, [{ type: 'order.created', key: 'o-2', data: { id: 'o-1', total: 6 } }]),
    )
    expect(error.message).toBe(
      [
        'The transaction emitted 1 messages, 1 expected:',
        '#0 key: expected "o-2", emitted "o-1"',
        '#0 data: expected {"id":"o-1","total":6}, emitted {"id":"o-1","total":5}',
      ].join('\n  '),
    )
    expect(error).toMatchObject({ actual: [{ topic: 'orders' }], expected: [{ topic: 'orders', key: 'o-2' }] })
  })

  it('fails for a message too many and for one too few', async () => {
    const tx = fromPg(client)
    expect((await failure(expectEmitted(tx, [{ type: 'order.created', key: 'o-1' }]))).message).toContain(
      'missing: #0 "order.created" with key "o-1"',
    )
    await outbox.emit(tx, 'order.created', { id: 'o-1' })
    expect((await failure(expectEmitted(tx, []))).message).toContain('not expected: "order.created" with key "o-1"')
  })

  it('fails for messages in another order', async () => {
    const tx = fromPg(client)
    for (const id of ['a', 'b']) await outbox.emit(tx, 'order.created', { id })
    await failure(
      expectEmitted(
        tx,
        ['b', 'a'].map((key) => ({ type: 'order.created', key })),
      ),
    )
    await expectEmitted(
      tx,
      ['a', 'b'].map((key) => ({ type: 'order.created', key })),
    )
  })
})
