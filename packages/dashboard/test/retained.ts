import { partitionOf } from '@oncebox/core'
import { outboxRing } from '@oncebox/schema'
import type pg from 'pg'

/** What a shop of three days leaves in its database, in proportion to the rows of the outbox. */
export interface Retained {
  readonly outbox: number
  /** Ids that two groups remember. */
  readonly inbox: number
  readonly deadLetters: number
  /** Parked by the relay, because their topic is missing. */
  readonly parked: number
}

export function retainedOf(rows: number): Retained {
  return {
    outbox: rows,
    inbox: Math.trunc(rows / 10),
    deadLetters: Math.min(5_000, Math.ceil(rows / 100)),
    parked: Math.min(3_000, Math.ceil(rows / 100)),
  }
}

/** Rows that no lane has published yet. */
export const waiting = 300
export const missingTopic = 'refunds'
/** Written once in all, in the middle of the three days. */
export const rareKey = 'customer-rare'
const keys = 50_000
const partitions = 12
const retentionMs = 3 * 24 * 3_600_000
/** Messages of a window of the relay, which makes a publication for each of its partitions. */
const windowMessages = 200
/** Messages of a transaction. */
const transactionMessages = 3

/**
 * Fills a migrated, empty schema `oncebox` with generate_series, so ten million rows take a few minutes. Rows, ids, keys and
 * publications are as services and a relay would have made them; transaction numbers are made up, and the relay's cursor with them.
 */
export async function fill(client: pg.ClientBase, retained: Retained, nowMs = Date.now()): Promise<void> {
  const { outbox: rows } = retained
  await client.query(`SET synchronous_commit = off; SET work_mem = '256MB'; SET maintenance_work_mem = '512MB'`)
  await fillOutbox(client, retained, nowMs)
  await fillPublications(client)
  await client.query(`
    INSERT INTO oncebox.consumer_offset (consumer, topic, partition, next_offset)
    SELECT consumer, topic, partition, max(base_offset + count) FROM oncebox.publication,
      unnest(ARRAY['billing', 'mail', 'search', 'statistics']) AS consumer
    GROUP BY consumer, topic, partition`)
  await client.query(
    `INSERT INTO oncebox.inbox (consumer, message_id)
     SELECT consumer, id FROM oncebox.outbox, unnest(ARRAY['billing', 'statistics']) AS consumer
     WHERE position % $1 = 0 AND position <= $2::bigint * $1 / 2`,
    [Math.max(1, Math.trunc((rows * 2) / retained.inbox)), retained.inbox],
  )
  await fillFailures(client, retained)
  // One row has a topic that is parked, the last ones wait: everything else is behind the cursor.
  await client.query(
    `UPDATE oncebox.relay_cursor SET holder = 'relay-1', epoch = 4, token = gen_random_uuid(),
       expires_at = clock_timestamp() + interval '1 day',
       last_snapshot = (SELECT format('%s:%s:', xid, xid) FROM oncebox.outbox WHERE position = $1)::pg_snapshot`,
    [rows - waiting + 1],
  )
  await client.query('VACUUM (ANALYZE)')
}

async function fillOutbox(client: pg.ClientBase, { outbox: rows, parked }: Retained, nowMs: number): Promise<void> {
  const slots = retentionMs / outboxRing.widthMs
  const perSlot = Math.ceil(rows / slots)
  const everyMs = retentionMs / rows
  for (let slot = 0; slot < slots; slot++) {
    const [from, to] = [slot * perSlot + 1, Math.min(rows, (slot + 1) * perSlot)]
    await client.query(
      `INSERT INTO oncebox.${outboxRing.leaves[slot]}
         (position, xid, created_at, id, slot, source, topic, key, type, content_type, headers, payload)
       OVERRIDING SYSTEM VALUE
       SELECT n, (1000 + (n - 1) / ${transactionMessages} + (n > ${rows - waiting})::int)::text::xid8, to_timestamp(ms / 1000),
         (lpad(to_hex(ms::bigint), 12, '0') || '7' || substr(digest, 1, 3) || 'a' || substr(digest, 4, 15))::uuid,
         ${slot}, 'shop', topic, CASE WHEN n = ${Math.trunc(rows / 2)} THEN '${rareKey}' ELSE 'customer-' || customer END,
         CASE topic
           WHEN 'orders' THEN CASE n % 10 WHEN 0 THEN 'order.cancelled' WHEN 1 THEN 'order.paid' ELSE 'order.created' END
           WHEN 'payments' THEN 'payment.captured' WHEN 'shipments' THEN 'shipment.sent'
           WHEN 'members' THEN 'member.changed' ELSE 'refund.granted'
         END,
         'application/json',
         CASE WHEN n % 2 = 0 THEN jsonb_build_object('traceparent', '00-' || digest || '-' || substr(digest, 1, 16) || '-01') END,
         convert_to('{"id":' || n || ',"customer":"customer-' || customer || '","total":"' || n % 900 + 9
           || '.90","currency":"EUR","items":[{"sku":"A-' || customer % 997 || '","quantity":' || n % 3 + 1
           || ',"price":"9.90"},{"sku":"B-' || n % 499 || '","quantity":1,"price":"19.00"}],"note":""}', 'UTF8')
       FROM (
         SELECT n, ${nowMs - retentionMs} + n::float8 * ${everyMs} AS ms, md5(n::text) AS digest,
           abs(hashint8(n)::bigint) % ${keys} AS customer,
           CASE
             WHEN n % ${Math.trunc(rows / parked)} = 1 AND n <= ${rows - waiting} THEN '${missingTopic}'
             WHEN n % 20 < 10 THEN 'orders' WHEN n % 20 < 15 THEN 'payments' WHEN n % 20 < 18 THEN 'shipments' ELSE 'members'
           END AS topic
         FROM generate_series($1::bigint, $2::bigint) AS n
       ) AS made`,
      [from, to],
    )
  }
  await client.query(`SELECT setval('oncebox.outbox_slot', $1)`, [slots - 1])
  await client.query(`SELECT setval(pg_get_serial_sequence('oncebox.outbox', 'position'), $1)`, [rows])
}

/** As a relay notes them: for each window a row a partition, with consecutive offsets. */
async function fillPublications(client: pg.ClientBase): Promise<void> {
  const names = [rareKey, ...Array.from({ length: keys }, (_, number) => `customer-${number}`)]
  const placed = names.map((key) => [key, partitionOf(Buffer.from(key), partitions)])
  await client.query('CREATE TEMP TABLE place (key text PRIMARY KEY, partition int)')
  await client.query(
    'INSERT INTO place SELECT each ->> 0, (each ->> 1)::int FROM json_array_elements($1::text::json) AS each',
    [JSON.stringify(placed)],
  )
  await client.query('ANALYZE place')
  await client.query(
    `INSERT INTO oncebox.pinned_topic (topic, partitions)
     SELECT unnest(ARRAY['orders', 'payments', 'shipments', 'members']), ${partitions}`,
  )
  await client.query(
    `INSERT INTO oncebox.publication
       (first_position, last_position, base_offset, published_at, count, partition, lane, slot, topic)
     SELECT first_position, last_position,
       sum(count) OVER (PARTITION BY topic, partition ORDER BY window_number) - count,
       published_at, count, partition, 0, oncebox.publication_slot(published_at), topic
     FROM (
       SELECT (position - 1) / ${windowMessages} AS window_number, topic, place.partition, min(position) AS first_position,
         max(position) AS last_position, count(*)::int AS count, max(created_at) + interval '30 ms' AS published_at
       FROM oncebox.outbox JOIN place USING (key)
       WHERE topic <> '${missingTopic}' AND position <= (SELECT max(position) FROM oncebox.outbox) - ${waiting}
       GROUP BY 1, 2, 3
     ) AS windows
     ORDER BY published_at`,
  )
}

async function fillFailures(client: pg.ClientBase, { outbox: rows, deadLetters, parked }: Retained): Promise<void> {
  const error = `jsonb_build_object('name', 'Error', 'message', 'card declined', 'code', 'E_CARD', 'stack',
    'Error: card declined' || repeat(E'\\n    at charge (file:///srv/billing/charge.js:17:11)', 12))`
  const history = `(SELECT jsonb_agg(jsonb_build_object('at', created_at, 'name', 'Error', 'code', 'E_CARD')) FROM (SELECT created_at FROM generate_series(1, 8)) AS failed)`
  await client.query(
    `INSERT INTO oncebox.dead_letter
       (dead_at, record_time, record_offset, partition, attempts, consumer, source, message_id, topic, type, reason,
        content_type, key, error, history, headers, payload, parks)
     SELECT created_at + interval '1 min', created_at, position / 48, position % ${partitions}, 8,
       (ARRAY['billing', 'mail', 'statistics'])[position / $1 % 3 + 1], source, id::text, topic, type,
       (ARRAY['HANDLER_FAILED', 'SCHEMA_MISMATCH', 'HANDLER_FAILED', 'MESSAGE_PAST_HORIZON'])[position / $1 % 4 + 1],
       content_type, convert_to(key, 'UTF8'), ${error}, ${history}, '[]', payload, position / $1 % 10 = 0
     FROM oncebox.outbox WHERE position % $1 = $1 - 1 AND topic <> '${missingTopic}' AND position <= $2
     ORDER BY outbox.position`,
    [Math.trunc(rows / deadLetters), rows - waiting],
  )
  await client.query(`
    INSERT INTO oncebox.parked_key (parked_at, consumer, topic, key_digest)
    SELECT min(dead_at), consumer, topic, key_digest FROM oncebox.dead_letter WHERE parks GROUP BY consumer, topic, key_digest`)
  await client.query(
    `INSERT INTO oncebox.parked_delivery (parked_at, record_time, record_offset, partition, consumer, source, message_id, topic,
       type, content_type, key, key_digest, headers, payload)
     SELECT dead_at + n * interval '1 s', record_time, record_offset + n, partition, consumer, source, gen_random_uuid()::text, topic,
       type, content_type, key, key_digest, '[]', payload
     FROM oncebox.dead_letter, generate_series(1, 10) AS n WHERE parks`,
  )
  await client.query(`
    INSERT INTO oncebox.dead_letter_action (dead_letter, action, done_by, consumer, source, message_id, topic, type, reason)
    SELECT number, action, 'ada', consumer, source, message_id, topic, type, reason
    FROM oncebox.dead_letter, unnest(ARRAY['retry', 'failed']) AS action WHERE number % 5 = 0`)
  await client.query(
    `INSERT INTO oncebox.attempt (consumer, source, message_id, error)
     SELECT 'mail', source, id::text, '{}' FROM oncebox.outbox WHERE position > $1 - 200 AND position <= $1`,
    [rows - waiting],
  )
  await client.query(
    `INSERT INTO oncebox.parked (position, created_at, id, lane, reason, source, topic, key, type, content_type, headers, payload)
     SELECT position, created_at, id, 0, 'TOPIC_MISSING', source, topic, key, type, content_type, headers, payload
     FROM oncebox.outbox WHERE topic = '${missingTopic}' ORDER BY outbox.position LIMIT $1`,
    [parked],
  )
}
