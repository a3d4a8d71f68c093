import { OnceboxError, quoteIdentifier, type Tx } from '@oncebox/core'
import type { Assignments } from './assignments.js'
import { conditionalUpdate, type Row } from './conditionalUpdate.js'
import type { Expression } from './expression.js'
import { idColumns, type RowId, requireFree } from './rowId.js'
import type { TableName } from './statement.js'

export interface VersionedOptions {
  /** `account`, or `bank.account`. */
  readonly table: TableName
  /** The value of the column `id`; for another key its columns, `{ number: 'A-1' }`. */
  readonly id: RowId
  /** The version that was read: the change is made only if the row still has it. Text for 64 bits. */
  readonly version: number | bigint | string
  /** The column of the version, an integer. Default `version`. */
  readonly versionColumn?: string
  /** The new values. */
  readonly set: Assignments
  /** A further condition on the row as it is before: ``expression`money >= ${amount}` ``. Default: none. */
  readonly where?: Expression
  /** Columns that come back in `row`, as they are after the call, whatever the outcome. Default: none. */
  readonly returning?: readonly string[]
}

/**
 * - `applied`: the row had the version, was changed, and has the next `version` now.
 * - `stale`: it has another `version`: somebody changed it in between, or this change was made before.
 * - `refused`: it has the version, but the condition does not hold (`condition`), or there is no such row (`missing`).
 *
 * `version` is text, since it may have 64 bits.
 */
export type VersionedResult =
  | { readonly outcome: 'applied' | 'stale'; readonly version: string; readonly row: Row }
  | { readonly outcome: 'refused'; readonly reason: 'condition'; readonly version: string; readonly row: Row }
  | { readonly outcome: 'refused'; readonly reason: 'missing' }

/**
 * Changes a row if it still has the version that the caller read, and counts the version up, in the transaction `tx`.
 * Of any number of concurrent callers with the same version one applies. One statement when applied, two otherwise.
 *
 * @throws OnceboxError `INVALID_SETTING`, `PAYLOAD_NOT_ENCODABLE`, `TRANSACTION_ENDED`, and the driver's errors: above
 *   READ COMMITTED a concurrent change is a serialization failure (40001).
 */
export async function versioned(tx: Tx, options: VersionedOptions): Promise<VersionedResult> {
  const { table, id, set, where, versionColumn = 'version', returning = [] } = options
  const version = String(options.version)
  if (!/^-?\d{1,19}$/.test(version)) {
    throw new OnceboxError('INVALID_SETTING', 'The version is not a whole number', {
      next: 'Give the one that was read.',
    })
  }
  requireFree(set, [versionColumn, ...Object.keys(idColumns(id))])
  const column = quoteIdentifier(versionColumn)
  const found = await conditionalUpdate(tx, {
    table,
    id,
    set,
    alsoSet: `${column} = target.${column} + 1`,
    state: `target.${column}::text`,
    departing: (statement) => `target.${column} = ${statement.text(version)}::bigint`,
    arrived: () => 'false',
    where,
    returning,
  })
  if (found.kind === 'missing') return { outcome: 'refused', reason: 'missing' }
  const { row } = found
  const current = String(found.state)
  if (found.kind === 'updated') return { outcome: 'applied', version: current, row }
  if (found.kind === 'forbidden') return { outcome: 'refused', reason: 'condition', version: current, row }
  return { outcome: 'stale', version: current, row }
}
