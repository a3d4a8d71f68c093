import { OnceboxError, sqlState } from '@oncebox/core'
import { surviveConnectionLoss } from '@oncebox/core/pg'
import { quoteSchema } from '@oncebox/schema'
import pg from 'pg'
import type { DatabaseFlags } from '../flags/databaseFlags.js'
import { tlsAdvice, withVerifiedTls } from './databaseTls.js'
import { systemCode, UsageError } from './failure.js'

/** A database that answered. The caller ends the pool. */
export interface OpenDatabase {
  readonly pool: pg.Pool
  /** host:port, without credentials: for messages. */
  readonly address: string
  /** Runs `work` on one session. */
  session<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T>
  end(): Promise<void>
}

const connectTimeoutMs = 10_000
/** For commands that go on until they are stopped, and whose statements are all short: nobody is there to see that one hangs. */
export const runsOn = { silenceMs: 60_000 }
const fileCodes = ['ENOENT', 'EACCES', 'EISDIR']

/**
 * Opens a pool and proves with one connection that the database answers. Where the URL asks for TLS, the server's certificate
 * is verified, unless it says `sslmode=no-verify`. A statement that is not answered within `silenceMs` has failed; default: it is
 * waited for.
 *
 * @throws UsageError without a URL, or with one that cannot be read.
 * @throws OnceboxError `INVALID_SETTING` for an unusable schema name, `DATABASE_UNREACHABLE` when nobody answers or the
 *   server does not let us in.
 */
export async function openDatabase(
  flags: DatabaseFlags,
  verb: string,
  { silenceMs }: { readonly silenceMs?: number } = {},
): Promise<OpenDatabase> {
  const connectionString = withVerifiedTls(requireUrl(flags.databaseUrl))
  quoteSchema(flags.schema)
  const address = addressOf(connectionString)
  const pool = new pg.Pool({
    connectionString,
    application_name: `oncebox ${verb}`,
    connectionTimeoutMillis: connectTimeoutMs,
    ...(silenceMs === undefined ? {} : { query_timeout: silenceMs }),
    max: 10,
  })
  surviveConnectionLoss(pool)
  try {
    const client = await pool.connect()
    client.release()
  } catch (error) {
    await pool.end()
    throw new OnceboxError('DATABASE_UNREACHABLE', `Cannot reach the database at ${address}`, {
      next: adviceFor(error, connectionString),
      cause: error,
    })
  }
  return {
    pool,
    address,
    async session(work) {
      const client = await pool.connect()
      let sound = false
      try {
        const result = await work(client)
        sound = true
        return result
      } finally {
        client.release(!sound)
      }
    },
    end: () => pool.end(),
  }
}

function requireUrl(url: string | undefined): string {
  if (url === undefined) {
    throw new UsageError('no database is given', 'Give --database-url or set DATABASE_URL.')
  }
  if (!/^postgres(ql)?:\/\//.test(url)) {
    throw new UsageError(
      'the database URL cannot be read',
      'It looks like postgres://user:password@host:port/database.',
    )
  }
  return url
}

function addressOf(connectionString: string): string {
  try {
    const { host, port } = new pg.Client({ connectionString })
    return `${host}:${port}`
  } catch (error) {
    const code = systemCode(error)
    // Its text names the file; that of a URL which is none may hold the password.
    if (code !== undefined && fileCodes.includes(code)) {
      throw new UsageError(`a file of sslrootcert, sslcert or sslkey in the database URL cannot be read (${code})`)
    }
    throw new UsageError(
      'the database URL cannot be read',
      'It looks like postgres://user:password@host:port/database; encode special characters of the password (@ is %40).',
    )
  }
}

/** What to do about a refused connection. Advice only: the exit code is the same for all. */
function adviceFor(error: unknown, url: string): string {
  switch (sqlState(error)) {
    case '28P01':
    case '28000':
      return 'The server refused the user or the password: check both, and pg_hba.conf.'
    case '3D000':
      return 'The server has no database of that name: create it, or mend the URL.'
    case '53300':
      return 'The server has no connection left: raise max_connections or end other sessions.'
    default:
      return tlsAdvice(systemCode(error), url) ?? 'Check that the server runs, and host and port of the URL.'
  }
}
