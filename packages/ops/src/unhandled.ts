import { isUuidV7, type Tx, uuidV7Time } from '@oncebox/core'
import { inboxRing, inboxSlotOf, tables } from '@oncebox/schema'
import { readConsumers } from './consumers.js'
import { type Discrepancy, type Place, type PublishedRecord, placeOf } from './reconcile.js'

const pageIds = 5_000

interface Group {
  readonly group: string
  /** The next offset to read, by topic and partition. */
  readonly next: ReadonlyMap<string, bigint>
  /** Records passed, by topic. */
  readonly passed: Map<string, number>
  readonly handledTypes: Set<string>
  /** Passed and not known, by type. */
  readonly missing: Map<string, Place[]>
}

/** Looks for records that a group of one database has passed and does not know, of types that it handles. */
export interface UnhandledSearch {
  /** Looks at records, each one once. */
  take(records: readonly PublishedRecord[]): Promise<void>
  /**
   * What was found. A type of which a group knows no message has no handler there, as far as can be seen from here: such
   * messages are acked without a trace.
   */
  result(): {
    readonly groups: { readonly group: string; readonly topic: string; readonly passed: number }[]
    readonly discrepancies: Discrepancy[]
  }
}

/** Begins with where the groups stand now: what they have passed by then has its effects. */
export async function searchUnhandled(tx: Tx, schema: string): Promise<UnhandledSearch> {
  const groups = (await readConsumers(tx, schema)).map(({ group, partitions }): Group => {
    const next = partitions.map(({ topic, partition, nextOffset }) => {
      return [`${topic}/${partition}`, BigInt(nextOffset ?? 0)] as const
    })
    return { group, next: new Map(next), passed: new Map(), handledTypes: new Set(), missing: new Map() }
  })
  return {
    async take(records) {
      for (const group of groups) await lookAt(tx, schema, group, records)
    },
    result: () => ({
      groups: groups.flatMap(({ group, passed }) =>
        [...passed].map(([topic, count]) => ({ group, topic, passed: count })),
      ),
      discrepancies: groups.flatMap(({ group, handledTypes, missing }) =>
        [...missing].flatMap(([type, places]) =>
          handledTypes.has(type) ? places.map((place): Discrepancy => ({ code: 'NOT_HANDLED', ...place, group })) : [],
        ),
      ),
    }),
  }
}

async function lookAt(tx: Tx, schema: string, group: Group, records: readonly PublishedRecord[]): Promise<void> {
  const { next, passed, handledTypes, missing } = group
  const own = records.filter(({ topic, partition, offset }) => offset < (next.get(`${topic}/${partition}`) ?? 0n))
  if (own.length === 0) return
  const known = await knownIds(tx, schema, group.group, own)
  for (const record of own) {
    const { topic, type } = record
    passed.set(topic, (passed.get(topic) ?? 0) + 1)
    if (known.has(record.id)) handledTypes.add(type)
    else {
      const places = missing.get(type)
      if (places === undefined) missing.set(type, [placeOf(record)])
      else places.push(placeOf(record))
    }
  }
}

async function knownIds(tx: Tx, schema: string, group: string, records: readonly PublishedRecord[]) {
  const { of, inboxForeign } = tables(schema)
  const known = new Set<string>()
  const byLeaf = new Map<string, string[]>()
  for (const { id } of records) {
    const leaf = isUuidV7(id) ? (inboxRing.leaves[inboxSlotOf(uuidV7Time(id))] as string) : ''
    const same = byLeaf.get(leaf)
    if (same === undefined) byLeaf.set(leaf, [id])
    else same.push(id)
  }
  for (const [leaf, ids] of byLeaf) {
    const table = leaf === '' ? inboxForeign : of(leaf)
    const type = leaf === '' ? 'text' : 'uuid'
    for (let from = 0; from < ids.length; from += pageIds) {
      const { rows } = await tx.query<{ id: string }>(
        `SELECT DISTINCT message_id::text AS id FROM ${table}
         WHERE consumer = $1::text
           AND message_id IN (SELECT each::${type} FROM json_array_elements_text($2::text::json) AS each)`,
        [group, JSON.stringify(ids.slice(from, from + pageIds))],
      )
      for (const { id } of rows) known.add(id)
    }
  }
  return known
}
