import type { Database, MessageContracts, MessageData, MessageInput } from '@oncebox/core'
import type { BatchOf, MessageHandler } from '@oncebox/inbox'

/** The handler that is to be tried, as it stands in `createConsumer`. */
export type ChaosHandler<C extends MessageContracts, T extends keyof C, Trx> =
  | MessageHandler<MessageData<C, T>, Trx>
  | BatchOf<MessageData<C, T>, Trx>

/** What a handler does where no transaction of this database reaches: calls of an API, files, mails. */
export interface ChaosProbe {
  /** Called before each run: nothing has happened yet. */
  reset(): unknown
  /**
   * What has happened since, as anything that JSON holds; an effect that the other side knows to be a repetition (by an
   * idempotency key, say) belongs into it once.
   */
  read(): unknown
}

export interface ChaosOptions<C extends MessageContracts, T extends keyof C & string, Trx> {
  /** The contracts of `defineMessages`. */
  readonly messages: C
  /** The message that is delivered; `key` by default as the contract says. */
  readonly message: {
    readonly type: T
    readonly data: MessageInput<C, T>
    readonly key?: string | null
    readonly headers?: Readonly<Record<string, string>>
  }
  /** SQL that makes the handler's tables, and the rows that it needs. Default: none. */
  readonly tables?: string
  /**
   * The same as a program, after `tables`. What connects to this string is seen; let the handler's own pools do so.
   * Default: nothing.
   */
  readonly prepare?: (connectionString: string) => unknown
  /** The database in the handler's library, as `createConsumer` gets it. Default: `pgDatabase` on a pool of its own. */
  readonly open?: (connectionString: string) => { readonly db: Database<Trx>; close(): unknown }
  /** Effects outside of the database. Default: none are looked at. */
  readonly probe?: ChaosProbe
  /**
   * Tables in which a second message with the same data and another id must change nothing, be it after the first one or
   * beside it. Default: none; two messages are two effects.
   */
  readonly oncePerRequest?: readonly string[]
  /**
   * `table.column` of columns that may differ from run to run. Clocks, sequences and defaults are known. Default: none.
   */
  readonly ignore?: readonly string[]
  /** False: tries the handler as if no inbox remembered what was handled. Default true. */
  readonly inbox?: boolean
  /** An empty database, whose user is a superuser. Default: a Postgres is started for it, and removed. */
  readonly database?: string
}
