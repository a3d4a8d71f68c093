import { OnceboxError } from './errors.js'

/**
 * Checks that the first argument is a `Tx`, as users without types, or with `any`, pass what they have.
 *
 * @throws OnceboxError `INVALID_SETTING`.
 */
export function requireTx(tx: unknown): void {
  const given = tx as { query?: unknown; executeQuery?: unknown } | null | undefined
  if (typeof given?.query === 'function') return
  if (typeof given?.executeQuery === 'function') {
    throw new OnceboxError('INVALID_SETTING', 'The transaction is a Kysely one, which is not a Tx by itself', {
      next: 'Pass fromKysely(trx); nothing was written.',
    })
  }
  throw new OnceboxError('INVALID_SETTING', 'The first argument is not a transaction: it has no query function', {
    next: "Pass a pg client on which BEGIN ran, or your library's transaction through its adapter; nothing was written.",
  })
}
