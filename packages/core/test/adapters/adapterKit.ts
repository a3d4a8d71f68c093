import type { Database } from '@oncebox/core'

/** A library as its user has it, on one database. */
export interface AdapterKit<Trx> {
  readonly database: Database<Trx>
  /** The library's own transaction: commits when `work` resolves. */
  transaction<T>(work: (trx: Trx) => Promise<T>): Promise<T>
  /** The library's own nested transaction, a savepoint: rolled back when `work` rejects. */
  nested(trx: Trx, work: (inner: Trx) => Promise<void>): Promise<unknown>
  /** The library's own way to insert a row into `note (text)`. */
  insert(trx: Trx, text: string): PromiseLike<unknown>
  /** What users could take for a transaction. */
  readonly outside: unknown
  close(): Promise<unknown>
}

export interface AdapterTraits {
  /** The library says when a transaction has ended, so that a kept `Tx` of it can refuse. */
  readonly tellsEnd: boolean
  /** Its user connects before anything else, so that a wrong address is no matter of its transactions. */
  readonly connectsFirst?: boolean
  /** The library's own codes for a port where nobody listens and for a database that is not there. */
  readonly unreachable?: { readonly port: string; readonly pathname: string }
}

export async function failureOf(promise: PromiseLike<unknown>): Promise<Error> {
  return promise.then(
    () => {
      throw new Error('did not fail')
    },
    (error) => error,
  )
}
