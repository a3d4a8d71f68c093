import type { Pool } from 'pg'
import type { BenchServers } from '../servers.js'

/** The process that relays. */
export interface RelayCommand {
  readonly program: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

/** A relay that others made (or ours), driven from outside: its backlog is filled, it is started, its topic is watched. */
export interface Peer {
  /** Where its records arrive; `topic` is a fresh one for those that can be told. */
  topicOf(topic: string): string
  /** Makes its tables and whatever has to be there before the first row, and fills it with `messages`. Not timed. */
  prepare(pool: Pool, messages: number, topic: string): Promise<void>
  /** What to start. `directory` is its own, for files. @throws Unavailable when it cannot be had here. */
  command(servers: BenchServers, topic: string, directory: string): Promise<RelayCommand>
  /** Leaves nothing behind that would go on to cost (a replication slot). */
  cleanUp?(pool: Pool): Promise<void>
  /** Far slower ones get a smaller backlog and are stopped after a while: their rate is over what they published. */
  readonly limits?: { readonly messages: number; readonly seconds: number }
}

/** The payload of the one workload, as SQL over `n`. */
export const payloadSql = `rpad('{"seq":' || n || ',"key":"k' || n % 1000 || '","pad":"', 198, 'x') || '"}'`
export const keySql = `'k' || n % 1000`

/** Fills a table, a hundred rows a transaction; `insert` is an INSERT … SELECT over `n`, without its FROM. */
export async function fillPeer(pool: Pool, table: string, insert: string, messages: number): Promise<void> {
  await pool.query(`
    CREATE OR REPLACE PROCEDURE bench_fill_peer(messages int) LANGUAGE plpgsql AS $$
    BEGIN
      FOR lowest IN 0 .. messages - 1 BY 100 LOOP
        ${insert} FROM generate_series(lowest, least(lowest + 99, messages - 1)) AS n;
        COMMIT;
      END LOOP;
    END $$`)
  await pool.query('CALL bench_fill_peer($1)', [messages])
  await pool.query(`VACUUM ANALYZE ${table}`)
  await pool.query('CHECKPOINT')
}
