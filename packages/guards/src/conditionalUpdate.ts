import { OnceboxError, quoteIdentifier, requireTx, type Tx } from '@oncebox/core'
import { type Assignments, setList } from './assignments.js'
import type { Expression } from './expression.js'
import { idColumns, isRow, type RowId } from './rowId.js'
import { Statement, type TableName } from './statement.js'

export interface ConditionalUpdate {
  readonly table: TableName
  readonly id: RowId
  readonly set: Assignments
  /** SQL after SET beside `set`. */
  readonly alsoSet?: string
  /** SQL for the value, as text, that tells the state the row is in. */
  readonly state: string
  /** SQL conditions on the row `target`: it is where it may leave from; it is where it would go. */
  readonly departing: (statement: Statement) => string
  readonly arrived: (statement: Statement) => string
  readonly where: Expression | undefined
  readonly returning: readonly string[]
}

/** What a conditional UPDATE found. `state` and `row` are those after it. */
export type Found =
  | {
      readonly kind: 'updated' | 'arrived' | 'elsewhere' | 'forbidden'
      readonly state: string | null
      readonly row: Row
    }
  | { readonly kind: 'missing' }

/** The columns that were asked for, by name, as the driver reads them. */
export type Row = Readonly<Record<string, unknown>>

/**
 * One UPDATE under conditions; where it changes nothing, one further read tells why. That read is a statement of its
 * own, which sees what the UPDATE waited for. When it finds a row that could be updated after all, because somebody else
 * changed it between the two, the row is locked and the UPDATE done again, so that two rounds always suffice.
 */
export async function conditionalUpdate(tx: Tx, update: ConditionalUpdate): Promise<Found> {
  requireTx(tx)
  const columns = idColumns(update.id)
  for (const lock of [true, false]) {
    const rows = await runUpdate(tx, update, columns)
    if (rows.length > 1) throw severalRows()
    if (rows[0] !== undefined) return { kind: 'updated', ...split(rows[0]) }
    const found = await look(tx, update, columns, '')
    if (found !== null) return found
    const locked = lock ? await look(tx, update, columns, 'FOR UPDATE') : null
    if (locked !== null) return locked
  }
  // Locked and allowed, and still not updated: a condition that gives one answer now and another then.
  throw new OnceboxError('INVALID_SETTING', 'The condition of the guard does not give the same answer twice', {
    next: 'Use no volatile function in where: now() stays the same in a transaction, clock_timestamp() does not.',
  })
}

async function runUpdate(tx: Tx, update: ConditionalUpdate, columns: ReturnType<typeof idColumns>): Promise<Row[]> {
  const statement = new Statement(update.table)
  const set = [setList(statement, update.set), update.alsoSet ?? ''].filter((part) => part !== '').join(', ')
  const { rows } = await tx.query<Row>(
    `UPDATE ${statement.table} AS target
     SET ${set}
     WHERE ${isRow(statement, columns)} AND (${update.departing(statement)}) AND ${permitted(statement, update)}
     RETURNING ${update.state} AS "oncebox state"${returned(update)}`,
    statement.values,
  )
  return rows
}

/** What the row looks like, or null when it could be updated. */
async function look(
  tx: Tx,
  update: ConditionalUpdate,
  columns: ReturnType<typeof idColumns>,
  lock: string,
): Promise<Found | null> {
  const statement = new Statement(update.table)
  const { rows } = await tx.query<Row>(
    `SELECT (${update.departing(statement)}) IS TRUE AS "oncebox departing",
       (${update.arrived(statement)}) IS TRUE AS "oncebox arrived",
       ${permitted(statement, update)} AS "oncebox permitted",
       ${update.state} AS "oncebox state"${returned(update)}
     FROM ${statement.table} AS target
     WHERE ${isRow(statement, columns)} ${lock}`,
    statement.values,
  )
  const [row] = rows
  if (row === undefined) return { kind: 'missing' }
  if (rows.length > 1) throw severalRows()
  if (row['oncebox departing'] === true) {
    return row['oncebox permitted'] === true ? null : { kind: 'forbidden', ...split(row) }
  }
  return { kind: row['oncebox arrived'] === true ? 'arrived' : 'elsewhere', ...split(row) }
}

function permitted(statement: Statement, update: ConditionalUpdate): string {
  return update.where === undefined ? 'true' : `(${statement.expression(update.where, null)} IS TRUE)`
}

function returned(update: ConditionalUpdate): string {
  return update.returning.map((column) => `, target.${quoteIdentifier(column)}`).join('')
}

/** The user's columns, without ours: no column of a real table begins with "oncebox " and a blank. */
function split(row: Row): { readonly state: string | null; readonly row: Row } {
  const own = Object.entries(row).filter(([column]) => !column.startsWith('oncebox '))
  return { state: row['oncebox state'] as string | null, row: Object.fromEntries(own) }
}

function severalRows(): OnceboxError {
  return new OnceboxError('INVALID_SETTING', 'The id of the guard fits more than one row', {
    next: 'Name the columns of a unique key in id; roll this transaction back.',
  })
}
