import type { Tx } from '@oncebox/core'
import type { Tables } from '@oncebox/schema'

/** A key that waits. */
export interface ParkedKey {
  readonly topic: string
  /** SHA-256 of the key, in hex. */
  readonly digest: string
}

const which = "consumer = $1::text AND topic = $2::text AND key_digest = decode($3::text, 'hex')"

/** Locks the head row until the transaction ends; null when the key waits no longer. */
export async function lockHead(
  tx: Tx,
  tables: Tables,
  group: string,
  key: ParkedKey,
): Promise<{ readonly due: boolean } | null> {
  const { rows } = await tx.query<{ due: boolean }>(
    `SELECT due_at IS NOT NULL AS due FROM ${tables.parkedKey} WHERE ${which} FOR UPDATE`,
    [group, key.topic, key.digest],
  )
  return rows[0] ?? null
}

/** Sets when the key's first message is tried again, in milliseconds from now; null: when an operator says so. */
export async function setDue(
  tx: Tx,
  tables: Tables,
  group: string,
  key: ParkedKey,
  dueInMs: number | null,
): Promise<void> {
  await tx.query(
    `UPDATE ${tables.parkedKey}
     SET due_at = clock_timestamp() + $4::text::double precision * interval '1 millisecond' WHERE ${which}`,
    [group, key.topic, key.digest, dueInMs === null ? null : String(dueInMs)],
  )
}

/** With the head row locked: lets those who wait come at once, or takes the head row away when nobody is left. */
export async function releaseHead(tx: Tx, tables: Tables, group: string, key: ParkedKey): Promise<void> {
  const values = [group, key.topic, key.digest]
  await tx.query(
    `DELETE FROM ${tables.parkedKey}
     WHERE ${which} AND NOT EXISTS (SELECT FROM ${tables.parkedDelivery} WHERE ${which})`,
    values,
  )
  await tx.query(`UPDATE ${tables.parkedKey} SET due_at = clock_timestamp() WHERE ${which}`, values)
}
