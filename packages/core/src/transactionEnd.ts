import { OnceboxError } from './errors.js'
import { queryPrepared, type Tx } from './tx.js'

/**
 * A `Tx` that refuses statements once its transaction has ended. A driver would run them all the same, outside any
 * transaction or inside the next user's of the same connection.
 */
export function endableTx(tx: Tx): { readonly tx: Tx; end(): void } {
  let ended = false
  return {
    tx: {
      async query(text, values) {
        if (ended) throw transactionEnded()
        return tx.query(text, values)
      },
      async queryPrepared(text, values) {
        if (ended) throw transactionEnded()
        return queryPrepared(tx, text, values)
      },
    },
    end() {
      ended = true
    },
  }
}

export function transactionEnded(cause?: unknown): OnceboxError {
  return new OnceboxError('TRANSACTION_ENDED', 'A statement came after its transaction had ended', {
    next: 'Await every call inside the transaction, and do not keep its tx or trx.',
    cause,
  })
}

/** COMMIT was answered with ROLLBACK: a statement had failed and the work went on as if it had not. */
export function transactionAborted(cause?: unknown): OnceboxError {
  return new OnceboxError('TRANSACTION_ABORTED', 'The transaction was rolled back: one of its statements had failed', {
    next: 'Let errors of SQL statements leave the transaction, or run such statements inside a savepoint.',
    cause,
  })
}

/** `when`: a clause such as "before the transaction began". */
export function databaseUnreachable(when: string, cause: unknown): OnceboxError {
  return new OnceboxError('DATABASE_UNREACHABLE', `The database could not be reached, or was lost, ${when}`, {
    next: 'Check that the server is up and takes this connection, then do the same again.',
    cause,
  })
}
