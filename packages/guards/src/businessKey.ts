import { OnceboxError, requireTx, type Tx } from '@oncebox/core'
import { defaultSchema, type Tables, tables as tablesOf } from '@oncebox/schema'
import { decodeResult, encodeResult, type Recorded } from './recordedResult.js'

export interface BusinessKeyOptions {
  /** What the keys are keys of, `payment` for example. At most 200 bytes. */
  readonly scope: string
  /** The key: a serial number, or several values as one text, `${userId}/${eventId}`. At most 1,000 bytes. */
  readonly key: string
  /** The schema of oncebox. Default `oncebox`. */
  readonly schema?: string
  /**
   * How long the key is remembered, in milliseconds; `Infinity` for ever. Default 90 days. After that the work may be
   * done again, so it has to be longer than anybody can repeat the request.
   */
  readonly retentionMs?: number
  /** Keys that one transaction may lock. Default 1,000. */
  readonly maxKeys?: number
}

/**
 * - `applied`: the work was done now; `result` is what it returned, as it was recorded.
 * - `duplicate`: it was done before, in a transaction that committed; `result` is what was recorded then.
 */
export interface BusinessKeyResult<R> {
  readonly outcome: 'applied' | 'duplicate'
  readonly result: Recorded<R>
}

const dayMs = 86_400_000
const defaultRetentionMs = 90 * dayMs
/** With default settings a server has room for about 15,000 locks of all sessions together. */
const defaultMaxKeys = 1_000
const maxScopeBytes = 200
const maxKeyBytes = 1_000

/**
 * Does `work` once for a key of the business, in the transaction `tx`, however often and under however many message ids
 * it is asked for. A second caller of the same key waits until the first one's transaction has ended, and then gets the
 * recorded result, or does the work itself if the first was rolled back. Nothing is dropped because a lock was taken.
 *
 * `work` makes its changes in the same transaction. What it returns is recorded as JSON (at most 100 kB). When it throws,
 * nothing is recorded: let the error leave the transaction, so that what the work has done is rolled back with it; what is
 * an answer and not a failure ("declined") is returned.
 *
 * Two statements for a duplicate, three otherwise. Locks are of the transaction. Keep a unique index on the key in the
 * business table as the last line.
 *
 * @throws OnceboxError `ISOLATION_TOO_STRICT` above READ COMMITTED, where a second statement cannot see what the lock
 *   waited for; `TOO_MANY_BUSINESS_KEYS`; `BUSINESS_KEY_TAKEN` when the key was recorded while the work ran (by a call
 *   inside of it, for example): roll back; `INVALID_SETTING`, also without a transaction; `PAYLOAD_NOT_ENCODABLE` and
 *   `PAYLOAD_TOO_LARGE` for the result; `TRANSACTION_ENDED`; and the driver's errors.
 */
export async function businessKey<R>(
  tx: Tx,
  options: BusinessKeyOptions,
  work: () => Promise<R> | R,
): Promise<BusinessKeyResult<R>> {
  requireTx(tx)
  const { scope, key } = options
  requireText('scope', scope, maxScopeBytes)
  requireText('key', key, maxKeyBytes)
  const retention = retentionOf(options.retentionMs ?? defaultRetentionMs)
  const tables = tablesOf(options.schema ?? defaultSchema)
  await lock(tx, tables, scope, key, options.maxKeys ?? defaultMaxKeys)
  const recorded = await look(tx, tables, scope, key)
  if (recorded !== null) return { outcome: 'duplicate', result: decodeResult(recorded.result) }
  const result = encodeResult(await work())
  await record(tx, tables, scope, key, result, retention)
  return { outcome: 'applied', result: decodeResult(result) }
}

/** Waits for the key's lock. The keys of a transaction are counted in a setting that ends with it, as its locks do. */
async function lock(tx: Tx, tables: Tables, scope: string, key: string, maxKeys: number): Promise<void> {
  const { rows } = await tx.query<{ isolation: string; held: string; locked: string | null }>(
    `WITH state AS MATERIALIZED (
       SELECT current_setting('transaction_isolation') AS isolation,
         coalesce(nullif(current_setting('oncebox.business_keys', true), ''), '0')::bigint AS held
     ), admitted AS MATERIALIZED (
       SELECT isolation, held,
         CASE WHEN isolation IN ('read committed', 'read uncommitted') AND held < $2::text::bigint
           THEN set_config('oncebox.business_keys', (held + 1)::text, true) END AS holds
       FROM state
     )
     SELECT isolation, held::text AS held,
       CASE WHEN holds IS NOT NULL
         THEN pg_advisory_xact_lock(hashtextextended($1::text COLLATE "C", 0))::text END AS locked
     FROM admitted`,
    [JSON.stringify([tables.schema, 'business key', scope, key]), String(maxKeys)],
  )
  const [state] = rows
  if (typeof state?.locked === 'string') return
  if (state?.isolation !== 'read committed' && state?.isolation !== 'read uncommitted') {
    throw new OnceboxError('ISOLATION_TOO_STRICT', `businessKey was called in a transaction of ${state?.isolation}`, {
      next: 'Use READ COMMITTED: above it, what the lock waited for stays invisible.',
    })
  }
  throw new OnceboxError('TOO_MANY_BUSINESS_KEYS', `The transaction holds ${state.held} business keys already`, {
    next: 'Use smaller batches, or raise maxKeys and max_locks_per_transaction.',
  })
}

/** A statement of its own, after the lock, so that it sees what the lock waited for. */
async function look(tx: Tx, tables: Tables, scope: string, key: string): Promise<{ result: string | null } | null> {
  const { rows } = await tx.query<{ holds: string | null; recorded: boolean; result: string | null }>(
    `SELECT current_setting('oncebox.business_keys', true) AS holds, past.scope IS NOT NULL AS recorded,
       past.result::text AS result
     FROM (SELECT $1::text COLLATE "C" AS scope, $2::text COLLATE "C" AS key) AS asked
     LEFT JOIN ${tables.businessKey} AS past ON past.scope = asked.scope AND past.key = asked.key`,
    [scope, key],
  )
  const [row] = rows
  // The setting of the statement before is gone, and with it the lock: each statement was a transaction of its own.
  if (row === undefined || row.holds === null || row.holds === '') {
    throw new OnceboxError('INVALID_SETTING', 'businessKey was called outside of a transaction', {
      next: 'Run BEGIN first, or pass the transaction of your library.',
    })
  }
  return row.recorded ? { result: row.result } : null
}

async function record(
  tx: Tx,
  tables: Tables,
  scope: string,
  key: string,
  result: string | null,
  retention: string,
): Promise<void> {
  const { rows } = await tx.query(
    `INSERT INTO ${tables.businessKey} (scope, key, result, expires_at)
     VALUES ($1::text, $2::text, $3::text::json,
       CASE WHEN $4::text = 'infinity' THEN 'infinity'
         ELSE clock_timestamp() + nullif($4::text, 'infinity')::float8 * interval '1 millisecond' END)
     ON CONFLICT DO NOTHING
     RETURNING true AS recorded`,
    [scope, key, result, retention],
  )
  if (rows.length > 0) return
  throw new OnceboxError('BUSINESS_KEY_TAKEN', 'The business key was recorded while its work was running', {
    next: 'Roll this transaction back; do not ask for a key inside the work of the same key.',
  })
}

function requireText(what: string, value: unknown, maxBytes: number): void {
  const usable =
    typeof value === 'string' &&
    value !== '' &&
    value.isWellFormed() &&
    !value.includes('\0') &&
    Buffer.byteLength(value) <= maxBytes
  if (usable) return
  throw new OnceboxError('INVALID_SETTING', `The ${what} of a business key is not usable`, {
    next: `Give a text of 1 to ${maxBytes} bytes of UTF-8 without a NUL character.`,
  })
}

/** A number of milliseconds as text, or infinity. Postgres 14 reads no interval of more than 2^31 of them from a text. */
function retentionOf(retentionMs: number): string {
  if (retentionMs === Number.POSITIVE_INFINITY) return 'infinity'
  if (Number.isSafeInteger(retentionMs) && retentionMs > 0) return String(retentionMs)
  throw new OnceboxError('INVALID_SETTING', 'retentionMs is neither a positive whole number nor Infinity', {
    next: 'Give a number of milliseconds.',
  })
}
