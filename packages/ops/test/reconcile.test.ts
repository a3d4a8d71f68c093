import { expect, test } from 'vitest'
import { type PublishedRecord, Reconciliation, type WrittenMessage } from '../src/reconcile.js'

const range = { fromMs: 1_000, toMs: 2_000 }
const row = (n: number, state: WrittenMessage['state'] = 'published'): WrittenMessage => {
  return { id: `id-${n}`, position: BigInt(n), topic: 'orders', state, source: 'shop' }
}
const record = (n: number, offset: number, more: Partial<PublishedRecord> = {}): PublishedRecord => {
  const place = { topic: 'orders', partition: 0, offset: BigInt(offset) }
  return { ...place, key: 'k', id: `id-${n}`, type: 'made', source: 'shop', writtenMs: 1_500, ...more }
}
const reconcile = (written: WrittenMessage[], records: PublishedRecord[], known?: ReadonlySet<string>) => {
  const compared = new Reconciliation(range)
  for (const message of written) compared.wrote(message)
  for (const one of records) compared.arrived(one)
  return compared.discrepancies(known)
}
const codes = (written: WrittenMessage[], records: PublishedRecord[]) =>
  reconcile(written, records).map((one) => `${one.code} ${one.id}`)

test('what is written and published once, in order, is no discrepancy; nor is what still waits', () => {
  expect(codes([row(1), row(2), row(3, 'waiting'), row(4, 'parked')], [record(1, 0), record(2, 1)])).toEqual([])
  expect(codes([], [])).toEqual([])
})

test('a message that the relay has passed and the topic does not have is lost', () => {
  expect(codes([row(1), row(2)], [record(1, 0)])).toEqual(['LOST id-2'])
})

test('a record of a source of ours, from the range, that nobody wrote is unknown; others are not ours to judge', () => {
  const others = [
    record(8, 1, { source: 'another service' }),
    record(9, 2, { writtenMs: 999 }),
    record(10, 3, { writtenMs: 2_000 }),
  ]
  expect(codes([row(1)], [record(1, 0), ...others])).toEqual([])
  expect(codes([row(1)], [record(1, 0), record(7, 1)])).toEqual(['UNKNOWN id-7'])
})

test('more copies than rows are duplicates, with how many; a replayed message has several rows', () => {
  expect(reconcile([row(1)], [record(1, 0), record(1, 1), record(1, 2)])).toEqual([
    { code: 'DUPLICATED', id: 'id-1', topic: 'orders', partition: 0, offset: '1', copies: 3 },
  ])
  expect(codes([row(1), { ...row(1), position: 9n }], [record(1, 0), record(1, 1)])).toEqual([])
})

test('a swapped pair of a key is out of order; later copies, other keys and messages without one have no order', () => {
  expect(reconcile([row(1), row(2)], [record(2, 0), record(1, 1)])).toEqual([
    { code: 'OUT_OF_ORDER', id: 'id-1', topic: 'orders', partition: 0, offset: '1', behind: 'id-2' },
  ])
  expect(codes([row(1), row(2)], [record(2, 0, { key: 'a' }), record(1, 1, { key: 'b' })])).toEqual([])
  expect(codes([row(1), row(2)], [record(2, 0, { key: null }), record(1, 1, { key: null })])).toEqual([])
  const again = [record(1, 0), record(2, 1), record(1, 2)]
  expect(codes([row(1), row(2)], again)).toEqual(['DUPLICATED id-1'])
})

test('a record whose transaction committed after the outbox was read is known after all', () => {
  const compared = new Reconciliation(range)
  compared.wrote(row(1))
  for (const one of [record(1, 0), record(7, 1), record(8, 2)]) compared.arrived(one)
  expect(compared.unknown).toEqual(new Set(['id-7', 'id-8']))
  expect(compared.discrepancies(new Set(['id-7'])).map(({ id }) => id)).toEqual(['id-8'])
})

test('only the first record of a message that was written is one to look for in inboxes', () => {
  const compared = new Reconciliation(range)
  compared.wrote(row(1))
  expect([record(1, 0), record(1, 1), record(7, 2)].map((one) => compared.arrived(one))).toEqual([true, false, false])
  expect(compared.published).toBe(2)
})
