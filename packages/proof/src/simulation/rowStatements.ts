import type { ModelRows, Version } from './modelRows.js'
import type { StatementContext } from './statement.js'

/** Writes a row that is locked, or takes its lock first. */
export async function put<Value>(
  { database, transaction }: StatementContext,
  table: ModelRows<Value>,
  name: string,
  key: string,
  value: Value | undefined,
): Promise<void> {
  await database.locks.take(`${name} ${key}`, transaction)
  if (!transaction.ended) database.write(transaction, table.put(key, value, transaction))
}

/** Inserts a row unless there is one; waits for whoever is inserting or deleting it, and not for one that only locks it. */
export async function insertNew<Value>(
  context: StatementContext,
  table: ModelRows<Value>,
  name: string,
  key: string,
  value: Value,
): Promise<boolean> {
  const { database, transaction } = context
  while (table.isChanging(key, transaction)) await database.locks.passed(`${name} ${key}`, transaction)
  if (table.get(key, transaction) !== undefined) return false
  await put(context, table, name, key, value)
  return true
}

/**
 * The rows of a statement's snapshot, locked in their order until the transaction ends, as they are then; without those that
 * are gone by then. One that is inserted while the statement waits for another is not among them.
 */
export async function lockRows<Value>(
  context: StatementContext,
  table: ModelRows<Value>,
  name: string,
  keys: readonly string[],
): Promise<[key: string, value: Value][]> {
  return lockSeen(context, table, name, seenRows(context, table, keys))
}

/** A row as a statement's snapshot has it. */
export interface SeenRow<Value> {
  readonly key: string
  readonly value: Value
  readonly version: Version<Value>
}

/** The rows that a statement which begins now sees. */
export function seenRows<Value>(
  { transaction }: StatementContext,
  table: ModelRows<Value>,
  keys: readonly string[],
): SeenRow<Value>[] {
  return keys.flatMap((key) => {
    const version = table.seen(key, transaction)
    return version?.value === undefined ? [] : [{ key, value: version.value, version }]
  })
}

/** Locks rows of the statement's snapshot, one after the other; answers those that are still there, as they are by then. */
export async function lockSeen<Value>(
  { database, transaction }: StatementContext,
  table: ModelRows<Value>,
  name: string,
  seen: readonly SeenRow<Value>[],
): Promise<[key: string, value: Value][]> {
  const rows: [key: string, value: Value][] = []
  for (const { key, version } of seen) {
    await database.locks.take(`${name} ${key}`, transaction)
    const value = table.latest(key, version, transaction)
    if (value === undefined) database.locks.giveBack(`${name} ${key}`, transaction)
    else rows.push([key, value])
  }
  return rows
}

/** One row, as `lockRows`; undefined when it is gone. */
export async function locked<Value>(
  context: StatementContext,
  table: ModelRows<Value>,
  name: string,
  key: string,
): Promise<Value | undefined> {
  const [row] = await lockRows(context, table, name, [key])
  return row?.[1]
}

/** A row that there is, locked and made another one, or deleted; answers what it was. */
export async function change<Value>(
  context: StatementContext,
  table: ModelRows<Value>,
  name: string,
  key: string,
  to: (value: Value) => Value | undefined,
): Promise<Value | undefined> {
  const value = await locked(context, table, name, key)
  if (value !== undefined) await put(context, table, name, key, to(value))
  return value
}
