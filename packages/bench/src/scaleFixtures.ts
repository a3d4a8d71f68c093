import pg from 'pg'
import { type BenchServers, migrated } from './servers.js'
import { type Filling, fillOutbox, source, topic, type } from './workload.js'

/** A database whose outbox holds a backlog of a shape. */
export interface Backlog {
  readonly url: string
  readonly pool: pg.Pool
  readonly waiting: number
  /** Where a drain begins: what is visible in it was published before. */
  readonly snapshot: string
}

export interface BacklogShape extends Filling {
  readonly waiting: number
  /** Rows that were published earlier and are still kept. */
  readonly retained?: number
  readonly lanes?: number
  /**
   * Among those that wait are a message that Kafka refuses as too large, with the later ones of its key behind it, and one
   * for a topic that there is not.
   */
  readonly trouble?: boolean
}

/** Makes a database of its own for a backlog. The caller ends its pool. */
export async function makeBacklog({ postgres }: BenchServers, name: string, shape: BacklogShape): Promise<Backlog> {
  const { waiting, retained = 0, lanes = 1, trouble = false, ...filling } = shape
  const url = await postgres.createDatabase(name.toLowerCase())
  const pool = new pg.Pool({ connectionString: url, max: 2 })
  pool.on('error', () => undefined)
  await migrated(pool, 'oncebox')
  // Lanes may only be added while all stand at one common snapshot, as these do before the first relay.
  for (let lane = 1; lane < lanes; lane++) {
    await pool.query('INSERT INTO oncebox.relay_cursor (lane) VALUES ($1)', [lane])
  }
  let snapshot = '3:3:'
  if (retained > 0) {
    await fillOutbox(pool, 'oncebox', retained, filling)
    const { rows } = await pool.query<{ now: string }>('SELECT pg_current_snapshot()::text AS now')
    snapshot = (rows[0] as { now: string }).now
  }
  if (trouble) {
    await pool.query(`
      INSERT INTO oncebox.outbox (id, source, topic, key, type, payload)
      VALUES (oncebox.uuid_v7(), '${source}', '${topic}', 'k1', '${type}', convert_to(repeat('x', 2000000), 'UTF8')),
        (oncebox.uuid_v7(), '${source}', '${topic}-missing', 'k2', '${type}', 'x')`)
  }
  await fillOutbox(pool, 'oncebox', waiting, filling)
  await pool.query('VACUUM ANALYZE oncebox.outbox')
  return { url, pool, waiting: waiting + (trouble ? 2 : 0), snapshot }
}
