import type { Message } from '@oncebox/core'
import { type Kysely, sql, type Transaction } from 'kysely'

/** What this consumer does with a message: it writes down that it handled it, and as which one of its key. */
export interface Handled {
  handled: {
    message_id: string
    topic: string
    key: string | null
    type: string
    payload: string | null
    position_in_key: string
  }
  handled_key: { topic: string; key_name: string; last_position: string }
}

/** A number nobody else in this database locks; consumers that start at once make the tables one after the other. */
const tablesLock = 7_041_776

/** Nothing here is unique on the message: a message that was handled twice would be there twice. */
export async function createTables(db: Kysely<Handled>): Promise<void> {
  await db.transaction().execute(async (trx) => {
    await sql`select pg_advisory_xact_lock(${tablesLock})`.execute(trx)
    await sql`
      create table if not exists handled (
        message_id text not null, topic text not null, key text, type text not null, payload text,
        position_in_key bigint not null)`.execute(trx)
    await sql`
      create table if not exists handled_key (
        topic text, key_name text, last_position bigint not null, primary key (topic, key_name))`.execute(trx)
  })
}

/** Adds the messages, which are in their order, in the transaction of the handler. */
export async function addHandled(trx: Transaction<Handled>, messages: readonly Message[]): Promise<void> {
  const rows = messages.map(({ id, topic, key, type, payload }, place) => ({
    place,
    message_id: id,
    topic,
    key: key === null ? null : storable(key),
    // A record without a key is something else than one with an empty key.
    key_name: key === null ? '' : `key ${storable(key)}`,
    type,
    payload: payload === null ? null : storable(Buffer.from(payload).toString('utf8')),
  }))
  await sql`
    with incoming as (
      select *, row_number() over (partition by topic, key_name order by place) as nth
      from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb) as incoming
        (place int, message_id text, topic text, key text, key_name text, type text, payload text)
    ), counted as (
      insert into handled_key as known (topic, key_name, last_position)
      select topic, key_name, count(*) from incoming group by topic, key_name order by topic, key_name
      on conflict (topic, key_name) do update set last_position = known.last_position + excluded.last_position
      returning topic, key_name, last_position
    ), added as (
      select topic, key_name, count(*) as messages from incoming group by topic, key_name
    )
    insert into handled (message_id, topic, key, type, payload, position_in_key)
    select message_id, topic, key, type, payload, last_position - messages + nth
    from incoming join counted using (topic, key_name) join added using (topic, key_name)
    order by place`.execute(trx)
}

/** Postgres keeps no NUL in text. */
function storable(text: string): string {
  return text.replaceAll('\0', '\ufffd')
}
