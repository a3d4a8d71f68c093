import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { bench, published } from './relayBench.js'

const hostile = [
  "bytea_output = 'escape'",
  "TimeZone = 'Asia/Kathmandu'",
  "DateStyle = 'SQL, DMY'",
  "IntervalStyle = 'sql_standard'",
  'extra_float_digits = -15',
  "default_transaction_isolation = 'serializable'",
]

test('a database with defaults of its own about how values are written changes nothing of what is published', async () => {
  await using at = await bench()
  const [row] = await at.query<{ name: string }>('select quote_ident(current_database()) as name')
  for (const setting of hostile) await at.query(`alter database ${row?.name} set ${setting}`)
  const session = await at.open()
  const shown = await session.query(
    `select current_setting('bytea_output') as bytes, current_setting('TimeZone') as zone`,
  )
  expect(shown.rows).toEqual([{ bytes: 'escape', zone: 'Asia/Kathmandu' }])

  const bytes = Buffer.from(Uint8Array.from({ length: 256 }, (_, byte) => byte))
  const insert = `insert into oncebox.outbox (id, source, topic, key, type, headers, payload, created_at)
    values (gen_random_uuid(), 's', $1, 'k', 'x', '{"own": "\\\\"}', $2, '2026-11-22 19:33:00.000001+00')`
  await session.query(insert, ['t', bytes])
  at.transport.refuse((record) => (record.topic === 'aside' ? 'RECORD_REFUSED' : null))
  await session.query(insert, ['aside', bytes])
  await session.query(
    `insert into oncebox.scheduled (id, source, topic, key, type, payload, due_at)
    values (gen_random_uuid(), 's', 'later', 'k', 'x', 'due', now() - interval '1 second')`,
  )
  // Sessions that are opened now have the defaults of now.
  const pool = new pg.Pool({ connectionString: at.database.url })
  const relay = at.relay({ pool, reclaimEveryMs: 50 })
  onTestFinished(() => relay.stop().finally(() => pool.end()))
  await relay.start()
  await published(at, 'later', ['due'])
  at.transport.refuse(null)
  await published(at, 'aside', [bytes.toString()])
  for (const topic of ['t', 'aside']) {
    const [record] = at.transport.records(topic)
    expect(Buffer.from(record?.value ?? [])).toEqual(bytes)
    const headers = new Map(record?.headers.map(([name, value]) => [name, `${Buffer.from(value ?? [])}`]))
    expect([headers.get('ce_time'), headers.get('own')]).toEqual(['2026-11-22T19:33:00.000001Z', '\\'])
  }
  expect(at.events.filter(({ event }) => event === 'interrupted')).toEqual([])
})
