import { OnceboxError, quoteIdentifier, type Tx } from '@oncebox/core'
import type { Assignments } from './assignments.js'
import type { ColumnValue } from './columnValues.js'
import { conditionalUpdate, type Row } from './conditionalUpdate.js'
import type { Expression } from './expression.js'
import { idColumns, type RowId, requireFree } from './rowId.js'
import type { Statement, TableName } from './statement.js'

export interface TransitionOptions {
  /** `coupon`, or `shop.coupon`. */
  readonly table: TableName
  /** The value of the column `id`; for another key its columns, `{ code: 'C-1' }`. */
  readonly id: RowId
  /** The column of the state. */
  readonly column: string
  /** The state the row has to be in, or several of them. */
  readonly from: State | readonly State[]
  /** The state it goes to. */
  readonly to: State
  /** A further condition on the row: ``expression`valid_until > now()` ``. Default: none. */
  readonly where?: Expression
  /** Other columns that change with the state. Default: none. */
  readonly set?: Assignments
  /** Columns that come back in `row`, whatever the outcome: who redeemed it, for example. Default: none. */
  readonly returning?: readonly string[]
}

/** A state: a text, an enum's label, a number, a boolean, or null. */
export type State = Extract<ColumnValue, string | number | boolean | null>

/**
 * - `applied`: the row was in `from` and is in `to` now.
 * - `already`: it was in `to` before.
 * - `refused`: nothing was changed: its state is another (`state`), the condition does not hold (`condition`), or there
 *   is no such row (`missing`).
 */
export type TransitionResult =
  | { readonly outcome: 'applied' | 'already'; readonly row: Row }
  | {
      readonly outcome: 'refused'
      readonly reason: 'state' | 'condition'
      /** The state it is in, as text. */
      readonly state: string | null
      readonly row: Row
    }
  | { readonly outcome: 'refused'; readonly reason: 'missing' }

/**
 * Moves a row from one state to another at most once, in the transaction `tx`: an UPDATE under the condition that it is
 * still in `from`. Concurrent callers wait for each other at the row; one applies, the others find it done. One
 * statement when applied, two otherwise.
 *
 * @throws OnceboxError `INVALID_SETTING`, `PAYLOAD_NOT_ENCODABLE`, `TRANSACTION_ENDED`, and the driver's errors: above
 *   READ COMMITTED a concurrent change is a serialization failure (40001).
 */
export async function transition(tx: Tx, options: TransitionOptions): Promise<TransitionResult> {
  const { table, id, column, to, where, set = {}, returning = [] } = options
  const from = Array.isArray(options.from) ? (options.from as readonly State[]) : [options.from as State]
  if (from.length === 0 || from.includes(to)) {
    throw new OnceboxError('INVALID_SETTING', 'The states in from are none, or hold the one in to', {
      next: 'Name the states that the row may leave, without the one it goes to.',
    })
  }
  requireFree(set, [column, ...Object.keys(idColumns(id))])
  const state = `target.${quoteIdentifier(column)}`
  const found = await conditionalUpdate(tx, {
    table,
    id,
    set: { [column]: to, ...set },
    state: `${state}::text`,
    departing: (statement) => isOneOf(statement, column, from),
    arrived: (statement) => isOneOf(statement, column, [to]),
    where,
    returning,
  })
  switch (found.kind) {
    case 'updated':
      return { outcome: 'applied', row: found.row }
    case 'arrived':
      return { outcome: 'already', row: found.row }
    case 'forbidden':
      return { outcome: 'refused', reason: 'condition', state: found.state, row: found.row }
    case 'elsewhere':
      return { outcome: 'refused', reason: 'state', state: found.state, row: found.row }
    case 'missing':
      return { outcome: 'refused', reason: 'missing' }
  }
}

/** The condition that the column holds one of the states; NULL is a state like any other. */
function isOneOf(statement: Statement, column: string, states: readonly State[]): string {
  const name = quoteIdentifier(column)
  const known = states.filter((state) => state !== null)
  const conditions = states.includes(null) ? [`target.${name} IS NULL`] : []
  if (known.length > 0) {
    const rows = statement.rows(known.map((state) => ({ [column]: state })))
    conditions.push(`target.${name} = ANY (ARRAY(SELECT given.${name} FROM ${rows}))`)
  }
  return conditions.join(' OR ')
}
