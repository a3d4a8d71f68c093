import type { ErrorCode, OutboxRow } from '@oncebox/core'
import type { Tables } from '@oncebox/schema'
import { leaseHeld } from './cursor.js'
import type { Lease } from './lease.js'
import type { ParkedScope } from './parkedGroups.js'
import type { Session } from './session.js'
import { outboxRow } from './windowQuery.js'

/** SQL of the side track. `session` finds outbox rows by position, so it is opened without sequential scans. */
export class ParkedTable {
  readonly #session: Session
  readonly #tables: Tables
  readonly #lease: Lease

  constructor(session: Session, tables: Tables, lease: Lease) {
    this.#session = session
    this.#tables = tables
    this.#lease = lease
  }

  /**
   * Copies outbox rows, in the order of `positions`; a row that is there already stays as it is. One statement, one
   * transaction, with the lease checked in it. False: the lease is lost, and nothing was copied.
   */
  async add(positions: readonly string[], code: ErrorCode): Promise<boolean> {
    const columns = 'position, created_at, id, source, topic, key, type, content_type, headers, payload'
    const [row] = await this.#session.rows(
      `WITH lease AS (${leaseHeld(this.#tables)}),
      wanted AS MATERIALIZED (
        SELECT value::bigint AS wanted_position, ordinality
        FROM jsonb_array_elements_text($4::jsonb) WITH ORDINALITY
      ),
      copied AS (
        INSERT INTO ${this.#tables.parked} (lane, reason, ${columns})
        SELECT lease.lane, $5, ${columns}
        FROM lease, wanted JOIN ${this.#tables.outbox} ON position = wanted_position
        ORDER BY ordinality
        ON CONFLICT (position) DO NOTHING
        RETURNING 1
      )
      SELECT (SELECT count(*) FROM lease), (SELECT count(*) FROM copied)`,
      [...this.#key(), JSON.stringify(positions), code],
      'oncebox_park',
    )
    return row?.[0] === '1'
  }

  /** What waits on the side track of this lane: for each topic and key (null: without key) the reason of the first row. */
  async load(): Promise<{ topic: string; key: string | null; code: ErrorCode }[]> {
    const rows = await this.#session.rows(
      `SELECT DISTINCT ON (topic, key) topic, key, reason FROM ${this.#tables.parked}
      WHERE lane = $1::smallint ORDER BY topic, key, number`,
      [this.#lease.lane],
    )
    return rows.map(([topic, key, reason]) => ({
      topic: topic as string,
      key: key as string | null,
      code: reason as ErrorCode,
    }))
  }

  /** The next rows of a scope after number `after`, in order, up to both limits, at least one where there is one. */
  async page(
    scope: ParkedScope,
    after: string,
    limits: { readonly rows: number; readonly bytes: number },
  ): Promise<{ rows: { number: string; row: OutboxRow }[]; end: boolean }> {
    const columns = 'position, id, source, topic, key, type, headers, payload, content_type, created_at'
    const condition = { topic: '', key: ' AND key = $6', keyless: ' AND key IS NULL' }[scope.kind]
    const size = 'coalesce(octet_length(payload), 0) + 300'
    const result = await this.#session.rows(
      `WITH page AS MATERIALIZED (
        SELECT *, sum(${size}) OVER (ORDER BY number ROWS UNBOUNDED PRECEDING) - (${size}) AS bytes_before,
          count(*) OVER () AS row_count
        FROM (
          SELECT number, ${columns} FROM ${this.#tables.parked}
          WHERE lane = $1::smallint AND topic = $2 AND number > $3::bigint${condition}
          ORDER BY number LIMIT $4::int
        ) AS rows
      )
      SELECT number, ${columns}, row_count FROM page WHERE bytes_before < $5::bigint ORDER BY number`,
      [this.#lease.lane, scope.topic, after, limits.rows, limits.bytes, ...(scope.kind === 'key' ? [scope.key] : [])],
    )
    const found = Number(result[0]?.[11] ?? 0)
    return {
      rows: result.map((row) => ({ number: row[0] as string, row: outboxRow(row) })),
      end: found < limits.rows && result.length === found,
    }
  }

  /** Removes rows that were published. One statement; false: the lease is lost, and nothing was removed. */
  async remove(numbers: readonly string[]): Promise<boolean> {
    const [row] = await this.#session.rows(
      `WITH lease AS (${leaseHeld(this.#tables)}),
      removed AS (
        DELETE FROM ${this.#tables.parked}
        WHERE number IN (SELECT value::bigint FROM jsonb_array_elements_text($4::jsonb)) AND EXISTS (SELECT FROM lease)
        RETURNING 1
      )
      SELECT (SELECT count(*) FROM lease), (SELECT count(*) FROM removed)`,
      [...this.#key(), JSON.stringify(numbers)],
      'oncebox_unpark',
    )
    return row?.[0] === '1'
  }

  #key(): [number, string, string] {
    return [this.#lease.lane, this.#lease.epoch, this.#lease.token]
  }
}
