import { OnceboxError } from '@oncebox/core'
import type { Tables } from '@oncebox/schema'
import type { Session } from './session.js'

const currentIdentity = `SELECT (SELECT system_identifier::text FROM pg_control_system()) AS system_identifier,
  (SELECT oid FROM pg_database WHERE datname = current_database()) AS database_oid`

/** Every row that is retained may have to be written: cut short, it would begin anew for ever. */
const adoptionMs = 3_600_000

/**
 * Makes sure that this is a primary and that the cursors were written in this very database. After a dump was restored
 * elsewhere transaction ids mean nothing any more: rows with an id of the future get a present one, and every lane
 * starts over from everything retained. Resolves to true when that was done. Opens one transaction when it is.
 *
 * A change of timeline needs nothing here: it breaks the connection, and with it goes everything in memory.
 *
 * @throws OnceboxError `DATABASE_NOT_PRIMARY`
 */
export async function adoptDatabase(session: Session, tables: Tables): Promise<boolean> {
  const [state] = await session.rows(
    `SELECT pg_is_in_recovery(), EXISTS (
      SELECT FROM ${tables.databaseIdentity} AS stored, (${currentIdentity}) AS now
      WHERE stored.system_identifier = now.system_identifier AND stored.database_oid = now.database_oid
    )`,
  )
  if (state?.[0] !== 'f') {
    throw new OnceboxError('DATABASE_NOT_PRIMARY', 'The relay is connected to a standby', {
      next: 'Point it at the primary.',
    })
  }
  if (state[1] === 't') return false
  return session.transaction(async (rows) => {
    // Whoever comes second finds the identity adopted. Producers go on: what they write from here on is of this cluster.
    await rows(`LOCK TABLE ${tables.databaseIdentity} IN SHARE ROW EXCLUSIVE MODE`)
    const adopted = await rows(
      `WITH removed AS (DELETE FROM ${tables.databaseIdentity}),
        now AS (${currentIdentity})
      SELECT now.system_identifier, now.database_oid FROM now
      WHERE NOT EXISTS (
        SELECT FROM ${tables.databaseIdentity} AS stored
        WHERE stored.system_identifier = now.system_identifier AND stored.database_oid = now.database_oid
      )`,
    )
    if (adopted[0] === undefined)
      throw new OnceboxError('LEASE_LOST', 'Another relay adopted the database first', {
        next: 'The relay tries again by itself.',
      })
    await rows(
      `INSERT INTO ${tables.databaseIdentity} (system_identifier, database_oid) VALUES ($1, $2::oid)`,
      adopted[0],
    )
    await rows(
      `UPDATE ${tables.outbox} SET xid = pg_current_xact_id() WHERE xid >= pg_snapshot_xmax(pg_current_snapshot())`,
    )
    await rows(
      `UPDATE ${tables.relayCursor} SET last_snapshot = '3:3:', upper_snapshot = NULL, page_position = NULL,
        epoch = epoch + 1, token = NULL, holder = NULL, expires_at = NULL`,
    )
    return true
  }, adoptionMs)
}
