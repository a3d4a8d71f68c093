import { expect, test } from 'vitest'
import { jsonLines, oncebox } from './oncebox.js'
import { type MigratedDatabase, migratedDatabase } from './outbox.js'

/** Dead letters 1 to 5: three of billing, two of mail; the first has a key that waits, with a message behind it. */
async function prepared(): Promise<MigratedDatabase> {
  const database = await migratedDatabase()
  await database.pool.query(`
    INSERT INTO oncebox.dead_letter (
      dead_at, record_time, partition, record_offset, attempts, consumer, source, message_id, topic, type, reason, key,
      headers, payload, parks, error
    )
    SELECT now() - n * interval '1 hour', now(), 0, n, 8, CASE WHEN n <= 3 THEN 'billing' ELSE 'mail' END, 'shop',
      'id-' || n, 'orders', CASE n WHEN 3 THEN 'order.paid' ELSE 'order.created' END, 'HANDLER_FAILED', 'key-1', '[]',
      '{"canary":1}', n = 1, '{"name": "Error", "message": "no such account"}'
    FROM generate_series(1, 5) AS n ORDER BY n;
    INSERT INTO oncebox.parked_key (consumer, topic, key_digest) VALUES ('billing', 'orders', sha256('key-1'));
    INSERT INTO oncebox.parked_delivery (
      record_time, partition, consumer, source, message_id, topic, type, key, key_digest, headers
    ) VALUES (now(), 0, 'billing', 'shop', 'id-9', 'orders', 'order.paid', 'key-1', sha256('key-1'), '[]')`)
  return database
}

const numbersOf = async (database: MigratedDatabase, column: string) =>
  (await database.pool.query(`SELECT number FROM oncebox.dead_letter WHERE ${column} ORDER BY number`)).rows.map(
    ({ number }) => number,
  )

test('dead list filters and shows no payload; with --json a document a letter', async () => {
  await using database = await prepared()
  const { code, stdout, stderr } = await oncebox(['dead', 'list', '--json', '--group', 'billing'], database)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(jsonLines(stdout).map(({ number }) => number)).toEqual(['1', '2', '3'])
  expect(jsonLines(stdout)[0]).toMatchObject({ group: 'billing', messageId: 'id-1', parks: true, retrying: false })
  const filters = ['--type', 'order.created', '--older', '90m', '--newer', '5h', '--topic', 'orders']
  const text = await oncebox(['dead', 'list', ...filters, '--code', 'HANDLER_FAILED'], database)
  expect(text.stdout).toMatch(/^ +2 +billing/m)
  expect(text.stdout).toMatch(/^ +4 +mail/m)
  expect(text.stdout).not.toMatch(/id-1|id-3|id-5|canary/)
})

test('dead show tells everything of one; one that there is not is exit 1', async () => {
  await using database = await prepared()
  const asText = await oncebox(['dead', 'show', '1'], database)
  expect(asText).toMatchObject({ code: 0, stderr: '' })
  for (const part of ['{"canary":1}', 'no such account', 'waiting behind  1']) expect(asText.stdout).toContain(part)
  const [letter] = jsonLines((await oncebox(['dead', 'show', '1', '--json'], database)).stdout)
  expect(letter).toMatchObject({ number: '1', waiting: 1, error: { message: 'no such account' }, actions: [] })
  expect(Buffer.from(String(letter?.payload), 'base64').toString()).toBe('{"canary":1}')
  const missing = await oncebox(['dead', 'show', '99', '--json'], database)
  expect(missing).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('oncebox dead list') })
  const none = await oncebox(['dead', 'list', '--group', 'nobody'], database)
  expect(none).toMatchObject({ code: 0, stdout: expect.stringContaining('--database-url') })
})

test('dead retry of a filter is shown first, wants --yes where there is no terminal, and keeps who and why', async () => {
  await using database = await prepared()
  const args = ['dead', 'retry', '--group', 'mail', '--by', 'ann', '--reason', 'mended', '--json']
  const dry = await oncebox([...args, '--dry-run'], database)
  expect(dry.code).toBe(0)
  expect(jsonLines(dry.stdout)).toEqual([{ action: 'retry', dryRun: true, found: 2, numbers: ['4', '5'] }])
  expect(await oncebox(args, database)).toMatchObject({ code: 2, stdout: '' })
  expect(await numbersOf(database, 'retry_at IS NOT NULL')).toEqual([])

  const done = await oncebox([...args, '--yes'], database)
  expect(jsonLines(done.stdout)).toEqual([{ action: 'retry', dryRun: false, found: 2, numbers: ['4', '5'] }])
  expect(await numbersOf(database, 'retry_at IS NOT NULL')).toEqual(['4', '5'])
  const again = await oncebox([...args, '--yes'], database)
  expect(jsonLines(again.stdout)).toMatchObject([{ found: 2, numbers: [] }])
  const { rows } = await database.pool.query('SELECT dead_letter, action, done_by, why FROM oncebox.dead_letter_action')
  expect(rows).toEqual(
    ['4', '5'].map((number) => ({ dead_letter: number, action: 'retry', done_by: 'ann', why: 'mended' })),
  )
})

test('dead discard of a number deletes it, keeps the reason, and lets those behind it go on; twice is exit 1', async () => {
  await using database = await prepared()
  const args = ['dead', 'discard', '1', '--reason', 'closed account']
  const environment = { ...database.environment, USER: 'ben' }
  const done = await oncebox(args, { environment })
  expect(done).toMatchObject({ code: 0, stdout: 'Discarded 1 of 1.\n' })
  expect(await numbersOf(database, 'true')).toEqual(['2', '3', '4', '5'])
  const head = await database.pool.query('SELECT due_at <= clock_timestamp() AS due FROM oncebox.parked_key')
  expect(head.rows).toEqual([{ due: true }])
  const { rows } = await database.pool.query('SELECT action, done_by, why FROM oncebox.dead_letter_action')
  expect(rows).toEqual([{ action: 'discard', done_by: 'ben', why: 'closed account' }])
  expect(await oncebox(args, { environment })).toMatchObject({ code: 1 })
})
