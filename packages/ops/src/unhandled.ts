import { isUuidV7, type Tx, uuidV7Time } from '@oncebox/core'
import { inboxRing, inboxSlotOf, tables } from '@oncebox/schema'
import { readConsumers } from './consumers.js'
import { type Discrepancy, type PublishedRecord, placeOf } from './reconcile.js'

const pageIds = 5_000

/**
 * Records that a group of this database has passed and does not know, of types that it handles. A type of which it knows
 * none has no handler there, as far as can be seen from here: such messages are acked without a trace.
 */
export async function readUnhandled(tx: Tx, schema: string, records: readonly PublishedRecord[]) {
  const groups: { group: string; topic: string; passed: number }[] = []
  const discrepancies: Discrepancy[] = []
  for (const { group, partitions } of await readConsumers(tx, schema)) {
    const next = new Map(
      partitions.map(({ topic, partition, nextOffset }) => [`${topic}/${partition}`, BigInt(nextOffset ?? 0)]),
    )
    const passed = firstCopies(
      records.filter((record) => record.offset < (next.get(`${record.topic}/${record.partition}`) ?? 0n)),
    )
    if (passed.length === 0) continue
    const known = await knownIds(tx, schema, group, passed)
    const handledTypes = new Set(passed.filter(({ id }) => known.has(id)).map(({ type }) => type))
    for (const topic of new Set(passed.map((record) => record.topic))) {
      groups.push({ group, topic, passed: passed.filter((record) => record.topic === topic).length })
    }
    for (const record of passed) {
      if (known.has(record.id) || !handledTypes.has(record.type)) continue
      discrepancies.push({ code: 'NOT_HANDLED', ...placeOf(record), group })
    }
  }
  return { groups, discrepancies }
}

function firstCopies(records: readonly PublishedRecord[]): PublishedRecord[] {
  const seen = new Set<string>()
  return records.filter(({ id }) => !seen.has(id) && seen.add(id))
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
