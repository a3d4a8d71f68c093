import type { Pool } from 'pg'

/** The one workload of the drain: 200 bytes of JSON with a running number, a thousand keys, one type, one topic. */
export const topic = 'bench'
export const partitions = 3
export const keys = 1_000
export const type = 'order.created'
export const source = 'bench'

export function payloadOf(sequence: number): string {
  const head = `{"seq":${sequence},"key":"k${sequence % keys}","pad":"`
  return `${head}${'x'.repeat(198 - head.length)}"}`
}

export interface BenchRecord {
  readonly key: Buffer
  readonly value: Buffer
  /** What differs from record to record, as in the wire format; the constant headers are `constantHeaders`. */
  readonly id: string
  readonly time: string
}

export const constantHeaders = [
  ['ce_specversion', '1.0'],
  ['ce_type', type],
  ['ce_source', source],
  ['content-type', 'application/json'],
] as const

/** Records as the relay would send them, `count` of them, made before any clock runs. */
export function records(count: number): BenchRecord[] {
  return Array.from({ length: count }, (_, sequence) => ({
    key: Buffer.from(`k${sequence % keys}`),
    value: Buffer.from(payloadOf(sequence)),
    id: `01a20514-1dcf-72dd-91cd-${sequence.toString(16).padStart(12, '0')}`,
    time: '2026-11-22T12:00:00.000000Z',
  }))
}

export interface Filling {
  readonly keys?: number
  /** Bytes of a payload; the 200 bytes of the one workload when left out. */
  readonly payloadBytes?: number
  /** Messages go to so many topics in turn: `bench`, `bench-1`, `bench-2`, …. */
  readonly topics?: number
  /** Every message has the trace of its producer, and one in so many is sampled; without it none has one. */
  readonly sampledOneIn?: number
}

export function topicName(number: number): string {
  return number === 0 ? topic : `${topic}-${number}`
}

/** Fills the outbox, a hundred rows a transaction, as small services would. Not timed. */
export async function fillOutbox(pool: Pool, schema: string, messages: number, filling: Filling = {}): Promise<void> {
  const { keys: ownKeys = keys, payloadBytes = 200, topics = 1, sampledOneIn } = filling
  const name =
    topics === 1 ? `'${topic}'` : `CASE n % ${topics} WHEN 0 THEN '${topic}' ELSE '${topic}-' || n % ${topics} END`
  const headers =
    sampledOneIn === undefined
      ? 'NULL::jsonb'
      : `jsonb_build_object('traceparent', '00-' || md5(n::text) || '-' || left(md5('span' || n), 16) ||
          CASE WHEN n % ${sampledOneIn} = 0 THEN '-01' ELSE '-00' END)`
  await pool.query(`
    CREATE OR REPLACE PROCEDURE bench_fill(messages int) LANGUAGE plpgsql AS $$
    BEGIN
      FOR lowest IN 0 .. messages - 1 BY 100 LOOP
        INSERT INTO ${schema}.outbox (id, source, topic, key, type, content_type, headers, payload)
        SELECT ${schema}.uuid_v7(), '${source}', ${name}, 'k' || n % ${ownKeys}, '${type}', 'application/json', ${headers},
          convert_to(rpad('{"seq":' || n || ',"key":"k' || n % ${ownKeys} || '","pad":"', ${payloadBytes - 2}, 'x') || '"}', 'UTF8')
        FROM generate_series(lowest, least(lowest + 99, messages - 1)) AS n;
        COMMIT;
      END LOOP;
    END $$`)
  await pool.query('CALL bench_fill($1)', [messages])
}

/** Everything in the outbox, or what came after a snapshot, waits again, in every lane; nothing waits aside. */
export async function rewind(pool: Pool, schema: string, snapshot = '3:3:'): Promise<void> {
  await pool.query(
    `UPDATE ${schema}.relay_cursor SET last_snapshot = $1::text::pg_snapshot, upper_snapshot = NULL, page_position = NULL`,
    [snapshot],
  )
  await pool.query(`TRUNCATE ${schema}.parked`)
}
