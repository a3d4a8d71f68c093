import { OnceboxError } from '../errors.js'
import { libraryTransaction } from '../libraryTransaction.js'
import { sqlState } from '../sqlstate.js'
import { transactionEnded } from '../transactionEnd.js'
import type { Database, TransactionScope, Tx } from '../tx.js'

/** A `Prisma.TransactionClient` of any schema. Clients are generated, so Prisma has no type for all of them. */
export interface PrismaTransaction {
  $queryRawUnsafe(text: string, ...values: unknown[]): PromiseLike<unknown>
  /** What a client has and a transaction has not. */
  readonly $connect?: never
}

/** A `PrismaClient`, extended or not, whose transactions are `Trx`. */
export interface PrismaClientOf<Trx> {
  $transaction<T>(
    work: (trx: Trx) => Promise<T>,
    options: { readonly isolationLevel: 'ReadCommitted'; readonly timeout: number; readonly maxWait: number },
  ): Promise<T>
}

/**
 * The Prisma transaction `trx` as a `Tx`: the `tx` of `prisma.$transaction(async (tx) => …)`; a nested one is its
 * savepoint. Statements pass through the client's `$queryRawUnsafe`, and so through extensions that touch it.
 *
 * @throws OnceboxError `INVALID_SETTING` when it is given a client, which is no transaction. The `Tx` throws
 *   `TRANSACTION_ENDED` for statements that come after the transaction, or after Prisma's timeout ended it.
 */
export function fromPrisma(trx: PrismaTransaction): Tx {
  if (typeof trx.$connect === 'function') {
    throw new OnceboxError('INVALID_SETTING', 'fromPrisma was given a Prisma client that is not a transaction', {
      next: 'Pass the tx of prisma.$transaction(async (tx) => …).',
    })
  }
  return {
    async query<Row extends object>(text: string, values: readonly unknown[] = []) {
      try {
        return { rows: (await trx.$queryRawUnsafe(text, ...values)) as Row[] }
      } catch (error) {
        throw hasEnded(error) ? transactionEnded(error) : error
      }
    },
  }
}

/** P2028: Prisma's own refusal, before anything is sent. */
function hasEnded(error: unknown): boolean {
  return error instanceof Error && 'clientVersion' in error && (error as { code?: unknown }).code === 'P2028'
}

/** The longest that a timer of Node.js can wait, 24 days. Prisma's 5 s for a transaction would end a large batch. */
const unlimitedMs = 2 ** 31 - 1

/**
 * A `PrismaClient` (on `@prisma/adapter-pg`) as a consumer's database; `trx` in handlers is its
 * `Prisma.TransactionClient`. The caller disconnects it. Prisma's limits of a transaction (`timeout`, `maxWait`) are
 * lifted: the server's, such as `idle_in_transaction_session_timeout`, hold.
 */
export function prismaDatabase<Trx extends PrismaTransaction>(prisma: PrismaClientOf<Trx>): Database<Trx> {
  return {
    txOf: fromPrisma,
    transaction<T>(work: (scope: TransactionScope<Trx>) => Promise<T>) {
      const run = (body: (trx: Trx) => Promise<T>) =>
        prisma.$transaction((trx) => sayingWhetherLost(trx, body), {
          isolationLevel: 'ReadCommitted',
          timeout: unlimitedMs,
          maxWait: unlimitedMs,
        })
      return libraryTransaction({ run, txOf: fromPrisma }, work)
    },
  }
}

/** Prisma hides that ROLLBACK had no answer, which is how a lost connection is known: so one statement more asks. */
async function sayingWhetherLost<Trx extends PrismaTransaction, T>(
  trx: Trx,
  body: (trx: Trx) => Promise<T>,
): Promise<T> {
  try {
    return await body(trx)
  } catch (error) {
    await fromPrisma(trx)
      .query('SELECT')
      .catch((answer) => {
        if (sqlState(answer) !== '25P02') throw answer
      })
    throw error
  }
}
