/**
 * A transaction (or a single connection) that runs SQL. Structural: any object with this `query` is one,
 * and `pg`'s own client already is.
 *
 * `text` uses `$1`, `$2`, … parameters. Statements of this project pass arrays as one JSON text parameter and read
 * 64-bit numbers as text, so that every driver behaves alike.
 */
export interface Tx {
  /**
   * Runs one statement; `rows` holds an object a row, by column name.
   *
   * @throws the driver's errors; OnceboxError `TRANSACTION_ENDED` where an adapter knows that the transaction is over.
   */
  query<Row extends object = Record<string, unknown>>(
    text: string,
    values?: readonly unknown[],
  ): Promise<{ readonly rows: Row[] }>

  /**
   * The same for one of a few texts that come again and again, from an adapter that has the server prepare those once a
   * connection. Optional; `queryPrepared` takes `query` where there is none.
   */
  queryPrepared?<Row extends object = Record<string, unknown>>(
    text: string,
    values: readonly unknown[],
  ): Promise<{ readonly rows: Row[] }>
}

/**
 * Runs a statement whose text is always the same (all that varies are its values), prepared where the transaction's
 * adapter does that. A text that is put together anew for every call is not for here: each would stay prepared.
 */
export function queryPrepared<Row extends object = Record<string, unknown>>(
  tx: Tx,
  text: string,
  values: readonly unknown[],
): Promise<{ readonly rows: Row[] }> {
  return tx.queryPrepared === undefined ? tx.query<Row>(text, values) : tx.queryPrepared<Row>(text, values)
}

/** Both faces of one transaction: the library's own (`trx`) and the project's (`tx`). */
export interface TransactionScope<Trx> {
  /** The transaction in the library's own type. */
  readonly trx: Trx
  /** The same one for `emit` and the guards. */
  readonly tx: Tx
}

/**
 * A user's database as a consumer needs it. One implementation for each supported library
 * (`pgDatabase`, `kyselyDatabase`, …).
 */
export interface Database<Trx> {
  /**
   * Opens a READ COMMITTED transaction, runs `work` in it, and commits when `work` resolves.
   * When `work` rejects, the transaction is rolled back and the same error is thrown.
   * When COMMIT fails, the driver's error is thrown as it is, with its SQLSTATE in `code`.
   * `tx` refuses statements once `work` has settled (`TRANSACTION_ENDED`).
   *
   * `classifyTransactionError` says what the error means.
   *
   * @throws OnceboxError `DATABASE_UNREACHABLE`, with the driver's or the work's error as its cause, when no transaction
   *   could be opened or its connection was lost; after COMMIT was sent, nobody knows whether it was carried out.
   * @throws OnceboxError `TRANSACTION_ABORTED` when a statement had failed and `work` resolved all the same: nothing was
   *   written.
   */
  transaction<T>(work: (scope: TransactionScope<Trx>) => Promise<T>): Promise<T>

  /**
   * The transaction `trx`, which the caller opened with the library, as a `Tx`.
   * @throws OnceboxError `INVALID_SETTING` when `trx` is no transaction.
   */
  txOf(trx: Trx): Tx
}
