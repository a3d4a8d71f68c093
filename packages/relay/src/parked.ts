import type { ErrorCode } from '@oncebox/core'
import type { Tables } from '@oncebox/schema'
import { leaseHeld } from './cursor.js'
import { type Entry, entryColumns } from './entry.js'
import type { Lease } from './lease.js'
import { firstRowBytes, type PageLimits, PageReader, rowsToAskFor } from './pageReader.js'
import { type ParkedScope, topicWide } from './parkedGroups.js'
import type { Parking } from './parkQueue.js'
import type { Session } from './session.js'
import { Templates } from './template.js'

/** How long reading what waits aside may take, once a term. */
const loadMs = 300_000

/**
 * The rows of a scope behind a number, in the order of an index that begins with the scope. Said as equalities, and in the order of
 * numbers alone, they are found along the primary key as well, as the planner sees it: past everything that waits of others.
 */
const ofTopic = { condition: '(topic, number) > ($2, $3::bigint) AND topic <= $2', order: 'topic, number' }
const rangeOf = {
  topic: ofTopic,
  partition: ofTopic,
  key: { condition: 'topic = $2 AND (key, number) > ($5, $3::bigint) AND key <= $5', order: 'key, number' },
  keyless: { condition: 'topic = $2 AND number > $3::bigint AND key IS NULL', order: 'key, number' },
} as const

/**
 * Planner settings of the session that writes progress and the side track: rows of the outbox are found by position, and pages
 * of what waits in the order of an index, whatever the statistics of a table say that has just grown by millions.
 */
export const cursorSessionSettings = { enable_seqscan: 'off', enable_bitmapscan: 'off', enable_sort: 'off' } as const

/** SQL of the side track. `session` is opened with `cursorSessionSettings`. */
export class ParkedTable {
  readonly #session: Session
  readonly #tables: Tables
  readonly #lease: Lease
  readonly #templates = new Templates()
  #rowBytes = firstRowBytes

  constructor(session: Session, tables: Tables, lease: Lease) {
    this.#session = session
    this.#tables = tables
    this.#lease = lease
  }

  /**
   * Copies outbox rows, in order; a row that is there already stays as it is. One statement, one transaction, with the
   * lease checked in it. False: the lease is lost, and nothing was copied.
   */
  async add(parkings: readonly Parking[]): Promise<boolean> {
    const columns = 'position, created_at, id, source, topic, key, type, content_type, headers, payload'
    const [row] = await this.#session.rows(
      `WITH lease AS (${leaseHeld(this.#tables)}),
      wanted AS MATERIALIZED (
        SELECT (parking ->> 0)::bigint AS wanted_position, parking ->> 1 AS reason, ordinality
        FROM jsonb_array_elements($4::jsonb) WITH ORDINALITY AS parkings (parking, ordinality)
      ),
      copied AS (
        INSERT INTO ${this.#tables.parked} (lane, reason, ${columns})
        SELECT lease.lane, reason, ${columns}
        FROM lease, wanted JOIN ${this.#tables.outbox} ON position = wanted_position
        ORDER BY ordinality
        ON CONFLICT (position) DO NOTHING
        RETURNING 1
      )
      SELECT (SELECT count(*) FROM lease), (SELECT count(*) FROM copied)`,
      [...this.#key(), JSON.stringify(parkings.map(({ entry, code }) => [String(entry.position), code]))],
      'oncebox_park',
    )
    return row?.[0] === '1'
  }

  /**
   * What waits on the side track of this lane: for each topic and key (null: without key) the reason of the first row, and
   * how many partitions are pinned for the topic (null: none yet, or the transport has none). Where the reason is one of the
   * whole topic, once for all of its keys. All of it is read, on `session`, where nothing waits behind it: after an hour of a
   * pause that is millions of rows, with as many keys.
   */
  async load(
    session: Session,
  ): Promise<{ topic: string; key: string | null; code: ErrorCode; pinned: number | null }[]> {
    const rows = await session.transaction(async (run) => {
      // Row by row through the index, as sessions of the relay have to read elsewhere, each row would be looked for on disk.
      await run('SELECT set_config($1, $2, true), set_config($3, $2, true)', ['enable_seqscan', 'on', 'enable_sort'])
      return run(
        `SELECT DISTINCT topic, CASE WHEN reason = ANY ($2::text[]) THEN NULL ELSE key END, reason, partitions
        FROM (
          SELECT DISTINCT ON (topic, key) topic, key, reason
          FROM ${this.#tables.parked} WHERE lane = $1::smallint ORDER BY topic, key, number
        ) AS first LEFT JOIN ${this.#tables.pinnedTopic} USING (topic)`,
        [this.#lease.lane, [...topicWide]],
      )
    }, loadMs)
    return rows.map(([topic, key, reason, pinned]) => ({
      topic: topic as string,
      key: key as string | null,
      code: reason as ErrorCode,
      pinned: pinned === null || pinned === undefined ? null : Number(pinned),
    }))
  }

  /**
   * The next rows of a scope after number `after`, in order, up to both limits, at least one where there is one. Their
   * `position` is their number here. `cut`: there may be more.
   */
  async page(
    scope: ParkedScope,
    after: number,
    limits: PageLimits,
  ): Promise<{ readonly entries: readonly Entry[]; readonly cut: boolean }> {
    const rows = rowsToAskFor(this.#rowBytes, limits)
    const page = new PageReader({ rows, bytes: limits.bytes }, this.#templates)
    const { condition, order } = rangeOf[scope.kind]
    await this.#session.wireRows(
      `SELECT NULL::text, ${entryColumns.replace('position', 'number')} FROM ${this.#tables.parked}
      WHERE lane = $1::smallint AND ${condition}
      ORDER BY ${order} LIMIT $4::int`,
      [this.#lease.lane, scope.topic, String(after), rows, ...(scope.kind === 'key' ? [scope.key] : [])],
      `oncebox_parked_${scope.kind}`,
      page.onRow,
    )
    this.#rowBytes = page.rowBytesAfter(this.#rowBytes)
    return page
  }

  /**
   * Removes rows that were published, and resolves to their positions in the outbox, in the order of `entries`. One
   * statement; null: the lease is lost, and nothing was removed.
   */
  async remove(entries: readonly Entry[]): Promise<number[] | null> {
    const [row] = await this.#session.rows(
      `WITH lease AS (${leaseHeld(this.#tables)}),
      removed AS (
        DELETE FROM ${this.#tables.parked}
        WHERE number IN (SELECT value::bigint FROM jsonb_array_elements_text($4::jsonb)) AND EXISTS (SELECT FROM lease)
        RETURNING number, position
      )
      SELECT (SELECT count(*) FROM lease), (SELECT json_agg(position ORDER BY number) FROM removed)`,
      [...this.#key(), JSON.stringify(entries.map((entry) => String(entry.position)))],
      'oncebox_unpark',
    )
    return row?.[0] === '1' ? JSON.parse(row[1] ?? '[]') : null
  }

  /**
   * Whether the lane is still ours. Asked after a read that found nothing: when the number of lanes changed before it, what
   * waits belongs to another lane now, and is not out.
   */
  async held(): Promise<boolean> {
    const rows = await this.#session.rows(
      `SELECT 1 FROM ${this.#tables.relayCursor}
      WHERE lane = $1::smallint AND epoch = $2::bigint AND token = $3::uuid`,
      this.#key(),
      'oncebox_lane_held',
    )
    return rows.length > 0
  }

  #key(): [number, string, string] {
    return [this.#lease.lane, this.#lease.epoch, this.#lease.token]
  }
}
