import { OnceboxError, quoteIdentifier, requireTx, type Tx } from '@oncebox/core'
import { type Assignments, setList, sorted } from './assignments.js'
import type { ColumnValues } from './columnValues.js'
import { isIncrement } from './expression.js'
import { idColumns, requireFree } from './rowId.js'
import { Statement, type TableName } from './statement.js'

export interface UpsertOptions {
  /** `activity_stats`, or `statistics.activity`. */
  readonly table: TableName
  /** Columns of a unique key, with the values of the row. */
  readonly key: ColumnValues
  /** The other columns of a new row. */
  readonly insert: Assignments
  /**
   * What changes in a row that is there. Default: every column of `insert`, to its new value. `{}`: nothing.
   * Counters: `{ views: increment(1) }`, and only in a transaction that also records the message's id: an upsert by
   * itself cannot tell a second delivery from a second view.
   */
  readonly update?: Assignments
  /**
   * A column of `insert` (a version or a time): a row that is there is updated only if its value there is smaller, or
   * NULL. What comes late, or again, changes nothing. Default: none; whatever comes is taken for newer.
   */
  readonly onlyIfNewer?: string
}

/**
 * - `inserted`: there was no row with the key.
 * - `updated`: there was one.
 * - `stale`: there was one that is as new or newer (`onlyIfNewer`).
 * - `already`: there was one, and `update` changes nothing.
 */
export interface UpsertResult {
  readonly outcome: 'inserted' | 'updated' | 'stale' | 'already'
}

/**
 * Inserts a row or updates the one that is there, in one statement in the transaction `tx`. Concurrent callers of the
 * same key wait for each other.
 *
 * @throws OnceboxError `INVALID_SETTING`, `PAYLOAD_NOT_ENCODABLE`, `TRANSACTION_ENDED`, and the driver's errors: 42P10
 *   when the table has no unique constraint on exactly the columns of `key`.
 */
export async function upsert(tx: Tx, options: UpsertOptions): Promise<UpsertResult> {
  requireTx(tx)
  const key = idColumns(options.key)
  const { insert, update, onlyIfNewer } = options
  requireFree(insert, Object.keys(key))
  requireFree(update ?? {}, Object.keys(key))
  const { values, expressions } = sorted(insert)
  if (expressions.some(([, given]) => isIncrement(given))) {
    throw invalid('insert holds an increment', 'Give the first value there, and the increment in update.')
  }
  if (onlyIfNewer !== undefined && !Object.hasOwn(insert, onlyIfNewer)) {
    throw invalid('onlyIfNewer names no column of insert', 'Add it to insert: the version or time of what came.')
  }
  const statement = new Statement(options.table)
  const plain = Object.keys({ ...key, ...values }).map(quoteIdentifier)
  const computed = expressions.map(([column]) => quoteIdentifier(column))
  const given = statement.row({ ...key, ...values })
  const selected = [
    ...plain.map((column) => `given.${column}`),
    ...expressions.map(([column, value]) => statement.expression(value, column)),
  ]
  const changes = changesOf(statement, insert, update, onlyIfNewer)
  const newer = quoteIdentifier(onlyIfNewer ?? 'x')
  const isNewer =
    onlyIfNewer === undefined ? 'true' : `(target.${newer} < excluded.${newer} OR target.${newer} IS NULL)`
  // xmax would tell an update from an insert, but a partitioned table does not give it. So the update leaves a mark: its
  // condition is computed only for a row that was there.
  const { rows } = await tx.query<{ outcome: string }>(
    `INSERT INTO ${statement.table} AS target (${[...plain, ...computed].join(', ')})
     SELECT ${selected.join(', ')} FROM ${given} WHERE set_config('oncebox.upsert', 'inserted', true) IS NOT NULL
     ON CONFLICT (${Object.keys(key).map(quoteIdentifier).join(', ')})
     ${changes === '' ? 'DO NOTHING' : `DO UPDATE SET ${changes} WHERE ${isNewer} AND set_config('oncebox.upsert', 'updated', true) IS NOT NULL`}
     RETURNING current_setting('oncebox.upsert') AS outcome`,
    statement.values,
  )
  const [row] = rows
  if (row === undefined) return { outcome: changes === '' ? 'already' : 'stale' }
  return { outcome: row.outcome === 'updated' ? 'updated' : 'inserted' }
}

/** The list after DO UPDATE SET; empty when a row that is there stays as it is. */
function changesOf(
  statement: Statement,
  insert: Assignments,
  update: Assignments | undefined,
  onlyIfNewer: string | undefined,
): string {
  if (update === undefined) return excluded(Object.keys(insert))
  const changes = setList(statement, update)
  // The column that decides moves along, or everything later would seem newer.
  if (onlyIfNewer === undefined || changes === '' || Object.hasOwn(update, onlyIfNewer)) return changes
  return `${changes}, ${excluded([onlyIfNewer])}`
}

function excluded(columns: readonly string[]): string {
  return columns.map((column) => `${quoteIdentifier(column)} = excluded.${quoteIdentifier(column)}`).join(', ')
}

function invalid(what: string, next: string): OnceboxError {
  return new OnceboxError('INVALID_SETTING', what, { next })
}
