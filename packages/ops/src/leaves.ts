import { quoteLiteral, type Tx } from '@oncebox/core'
import { inboxRing, outboxRing, type Tables, tables } from '@oncebox/schema'

/** One leaf of a ring. */
export interface LeafStatus {
  readonly ring: 'outbox' | 'inbox'
  readonly name: string
  /** An estimate; 0 only when the leaf is empty. */
  readonly rows: number
  /** Table, indexes and TOAST. */
  readonly bytes: number
  /** The one that is being written: for the inbox, that of ids made now. */
  readonly active: boolean
}

/** A leaf with what decides whether its reclaim is late. */
export interface Leaf extends LeafStatus {
  /** Seconds since its newest message was written; null for an empty leaf and for leaves of the inbox. */
  readonly newestSeconds: number | null
}

/** Reads a ring: sizes from the catalog and two index probes a leaf, no scan. */
export async function readLeaves(tx: Tx, schema: string, ring: Leaf['ring']): Promise<Leaf[]> {
  const names = tables(schema)
  const parts =
    ring === 'outbox'
      ? [...outboxRing.leaves, outboxRing.defaultLeaf].map((leaf, slot) => outboxLeaf(names, leaf, slot))
      : inboxRing.leaves.map((leaf, slot) => inboxLeaf(names, leaf, slot))
  const { rows } = await tx.query<Leaf>(
    `SELECT leaf.ring, leaf.name, leaf.active,
       CASE
         WHEN leaf.is_empty THEN 0
         -- As the planner estimates: the density at the last ANALYZE, times the pages now.
         WHEN class.reltuples > 0 AND class.relpages > 0
           THEN greatest(1, class.reltuples / class.relpages * pg_relation_size(class.oid) / current_setting('block_size')::int)
         ELSE leaf.guess
       END::float8 AS rows,
       pg_total_relation_size(class.oid)::float8 AS bytes,
       leaf.newest_seconds::float8 AS "newestSeconds"
     FROM (${parts.join(' UNION ALL ')}) AS leaf (number, ring, name, active, relation, is_empty, guess, newest_seconds)
     JOIN pg_class AS class ON class.oid = leaf.relation
     ORDER BY leaf.number`,
  )
  return rows.map((row) => ({ ...row, rows: Math.round(row.rows) }))
}

/** Positions of a leaf lie close together, because one leaf is active at a time: their span is the guess. */
function outboxLeaf(names: Tables, leaf: string, slot: number): string {
  const table = names.of(leaf)
  return `SELECT ${slot}, 'outbox', ${quoteLiteral(leaf)},
    ${slot} = coalesce(pg_sequence_last_value(${quoteLiteral(names.outboxSlot)}::regclass), 0),
    ${quoteLiteral(table)}::regclass, last.position IS NULL, last.position - first.position + 1,
    extract(epoch FROM clock_timestamp() - last.created_at)
  FROM (VALUES (1)) AS one
  LEFT JOIN LATERAL (SELECT position FROM ${table} ORDER BY position LIMIT 1) AS first ON true
  LEFT JOIN LATERAL (SELECT position, created_at FROM ${table} ORDER BY position DESC LIMIT 1) AS last ON true`
}

/** Rows of an inbox leaf are a group's name and an id: about 80 bytes. */
function inboxLeaf(names: Tables, leaf: string, slot: number): string {
  const table = names.of(leaf)
  const width = inboxRing.widthMs / 1000
  return `SELECT ${slot}, 'inbox', ${quoteLiteral(leaf)},
    ${slot} = floor(extract(epoch FROM clock_timestamp()) / ${width})::bigint % ${inboxRing.slots},
    ${quoteLiteral(table)}::regclass, NOT EXISTS (SELECT FROM ${table}),
    greatest(1, pg_relation_size(${quoteLiteral(table)}::regclass) / 80), NULL::float8`
}
