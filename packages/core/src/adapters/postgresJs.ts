import type { Sql, TransactionSql } from 'postgres'
import { OnceboxError } from '../errors.js'
import { libraryTransaction } from '../libraryTransaction.js'
import type { Database, TransactionScope, Tx } from '../tx.js'

/** The `sql` inside `sql.begin(…)` or `sql.savepoint(…)`, whatever types were added to it. */
export type PostgresJsTransaction = Pick<TransactionSql, 'unsafe' | 'savepoint' | 'typed'>

/** Postgres' type `unknown`: the server infers the type of the parameter, and postgres.js sends the text as it is. */
const unknownType = 705

/**
 * The postgres.js transaction `trx` as a `Tx`. Its transforms (`postgres.camel`) do not touch our statements' columns.
 * postgres.js gives no sign that a transaction has ended: do not keep it.
 *
 * @throws OnceboxError `INVALID_SETTING` when it is given an `sql` that is no transaction.
 */
export function fromPostgresJs(trx: PostgresJsTransaction): Tx {
  if (typeof trx.savepoint !== 'function') {
    throw new OnceboxError('INVALID_SETTING', 'fromPostgresJs was given an sql that is not a transaction', {
      next: 'Pass the sql of sql.begin(async (sql) => …).',
    })
  }
  return {
    async query<Row extends object>(text: string, values: readonly unknown[] = []) {
      const parameters = values.map((value) => (isScalar(value) ? trx.typed(value, unknownType) : value))
      const result = await trx.unsafe(text, parameters as never[], { prepare: true })
      return { rows: withColumnsOf(text, [...result]) as Row[] }
    },
  }
}

/** postgres.js would encode a text for a JSON parameter, which is JSON already, once more. */
function isScalar(value: unknown): value is string | number | bigint | boolean {
  return ['string', 'number', 'bigint', 'boolean'].includes(typeof value)
}

/** Undoes a transform of column names: each of them stands, in its own spelling, in the statement's text. */
function withColumnsOf(text: string, rows: object[]): object[] {
  const words = new Set(text.match(/\w+/g))
  if (Object.keys(rows[0] ?? {}).every((name) => words.has(name))) return rows
  const bare = (name: string) => name.replaceAll(/[_-]/g, '').toLowerCase()
  const spelling = new Map([...words].map((word) => [bare(word), word]))
  return rows.map((row) =>
    Object.fromEntries(Object.entries(row).map(([name, value]) => [spelling.get(bare(name)) ?? name, value])),
  )
}

/**
 * A postgres.js `sql` as a consumer's database; `trx` in handlers is its `TransactionSql`. The caller ends it.
 *
 * When the connection is lost, the transaction fails at once, while the handler may still be running: its `tx` then
 * refuses statements, but `trx` is postgres.js' own, and a statement on it can end the process (seen with 3.4.9); so can its own
 * COMMIT or ROLLBACK while the connection ends (https://github.com/porsager/postgres/issues/1208).
 */
export function postgresJsDatabase<Types extends Record<string, unknown>>(
  sql: Sql<Types>,
): Database<TransactionSql<Types>> {
  return {
    txOf: fromPostgresJs,
    transaction<T>(work: (scope: TransactionScope<TransactionSql<Types>>) => Promise<T>) {
      const run = (body: (trx: TransactionSql<Types>) => Promise<T>) =>
        // What postgres.js resolves with is an array's content awaited; a result in a box stays as it is.
        sql
          .begin('isolation level read committed', async (trx) => ({ result: await body(trx) }))
          .then(({ result }) => result)
      return libraryTransaction({ run, txOf: fromPostgresJs }, work)
    },
  }
}
