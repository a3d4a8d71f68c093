import { type Database, OnceboxError } from '@oncebox/core'
import { defaultSchema, tables as tablesOf } from '@oncebox/schema'

export interface DeleteExpiredOptions<Trx> {
  /** The database with the keys. The caller closes it. */
  readonly db: Database<Trx>
  /** The schema of oncebox. Default `oncebox`. */
  readonly schema?: string
  /** Rows a transaction. Default 5,000. */
  readonly batchRows?: number
  /** Ends the work before its next transaction when it aborts. Default: it goes on to the end. */
  readonly signal?: AbortSignal
}

/**
 * Deletes the business keys whose retention has passed, in transactions of its own of `batchRows` rows, until there are
 * none left. Nobody calls it by itself: run it from a daily job. Any number of processes may, at the same time. Until a
 * key is deleted it still counts as done.
 *
 * @throws OnceboxError `INVALID_SETTING`, and what `Database.transaction` throws.
 */
export async function deleteExpiredBusinessKeys<Trx>(
  options: DeleteExpiredOptions<Trx>,
): Promise<{ readonly deletedRows: number }> {
  const { db, signal, batchRows = 5_000 } = options
  if (!Number.isSafeInteger(batchRows) || batchRows < 1) {
    throw new OnceboxError('INVALID_SETTING', 'batchRows is not a positive whole number', {
      next: 'Give a number of rows.',
    })
  }
  const { businessKey } = tablesOf(options.schema ?? defaultSchema)
  let deletedRows = 0
  while (!signal?.aborted) {
    const count = await db.transaction(async ({ tx }) => {
      const { rows } = await tx.query<{ count: string }>(
        `WITH gone AS (
           DELETE FROM ${businessKey} WHERE ctid = ANY (ARRAY(
             SELECT ctid FROM ${businessKey} WHERE expires_at <= now()
             ORDER BY expires_at LIMIT $1::text::bigint FOR UPDATE SKIP LOCKED
           )) RETURNING 1
         )
         SELECT count(*)::text AS count FROM gone`,
        [String(batchRows)],
      )
      return Number(rows[0]?.count)
    })
    deletedRows += count
    if (count < batchRows) break
  }
  return { deletedRows }
}
