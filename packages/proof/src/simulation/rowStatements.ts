import type { ModelRows } from './modelRows.js'
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
  if (table.isChanging(key, transaction)) await database.locks.take(`${name} ${key}`, transaction)
  if (table.get(key, transaction) !== undefined) return false
  await put(context, table, name, key, value)
  return true
}

/** A row locked until the transaction ends, as it is then; undefined when it is gone. */
export async function locked<Value>(
  { database, transaction }: StatementContext,
  table: ModelRows<Value>,
  name: string,
  key: string,
): Promise<Value | undefined> {
  if (table.get(key, transaction) === undefined) return undefined
  await database.locks.take(`${name} ${key}`, transaction)
  return table.get(key, transaction)
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
