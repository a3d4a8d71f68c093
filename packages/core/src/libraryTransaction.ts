import { classifyDatabaseError, sqlState } from './sqlstate.js'
import { databaseUnreachable, endableTx, transactionAborted } from './transactionEnd.js'
import type { TransactionScope, Tx } from './tx.js'

/** How a library opens transactions. */
export interface LibraryTransaction<Trx, T> {
  /** Runs `body` in a new READ COMMITTED transaction: commits when it resolves, rolls back when it rejects. */
  run(body: (trx: Trx) => Promise<T>): Promise<T>
  txOf(trx: Trx): Tx
  /** Statements that the library holds back until COMMIT. */
  flush?(trx: Trx): Promise<unknown>
}

/**
 * `Database.transaction` over a library's own. Before COMMIT one statement more asks whether the transaction still
 * stands: none of these libraries looks at what COMMIT was answered with.
 *
 * Errors as in `Database`.
 */
export async function libraryTransaction<Trx, T>(
  library: LibraryTransaction<Trx, T>,
  work: (scope: TransactionScope<Trx>) => Promise<T>,
): Promise<T> {
  let begun = false
  let settled = false
  let abandoned = false
  let failure: { readonly error: unknown } | undefined
  let end = () => {}
  const body = async (trx: Trx): Promise<T> => {
    begun = true
    const own = library.txOf(trx)
    const scope = endableTx(own)
    end = scope.end
    try {
      const result = await work({ trx, tx: scope.tx })
      end()
      if (abandoned) return await never
      await library.flush?.(trx)
      await requireHealthy(own)
      settled = true
      return result
    } catch (error) {
      if (abandoned) return await never
      failure = { error }
      throw error
    } finally {
      end()
    }
  }
  try {
    return await library.run(body)
  } catch (error) {
    // postgres.js does not wait for the work when its connection is lost. Whatever was sent on that connection from
    // here on, its own ROLLBACK too, would be an uncaught exception: so the work may end, and nobody hears of it.
    abandoned = true
    end()
    if (!begun) throw databaseUnreachable('before the transaction began', error)
    if (failure === undefined && !settled) throw databaseUnreachable('inside the transaction', error)
    if (failure !== undefined && (failure.error === error || !isLoss(error))) throw failure.error
    // Another error than the work's: ROLLBACK had no answer.
    if (failure !== undefined) throw databaseUnreachable('inside the transaction', failure.error)
    if (isLoss(error)) throw databaseUnreachable('while it committed', error)
    throw error
  }
}

const never = new Promise<never>(() => {})

/** Of an error that comes from the library itself, not from the work. */
function isLoss(error: unknown): boolean {
  return sqlState(error) === undefined || classifyDatabaseError(error) === 'unavailable'
}

async function requireHealthy(tx: Tx): Promise<void> {
  try {
    await tx.query('SELECT')
  } catch (error) {
    throw sqlState(error) === '25P02' ? transactionAborted(error) : databaseUnreachable('before COMMIT', error)
  }
}
