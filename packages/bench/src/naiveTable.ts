import type { Pool } from 'pg'

/** The table of the home-made relay, filled with the outbox's own messages; all of them wait. Not timed. */
export async function fillNaive(pool: Pool, schema: string): Promise<void> {
  await pool.query(`
    CREATE TABLE IF NOT EXISTS outbox_naive (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      message_id uuid NOT NULL, key text NOT NULL, payload bytea NOT NULL,
      created_at timestamptz NOT NULL, processed_at timestamptz
    );
    CREATE INDEX IF NOT EXISTS outbox_naive_waiting ON outbox_naive (id) WHERE processed_at IS NULL;
    TRUNCATE outbox_naive`)
  await pool.query(`
    INSERT INTO outbox_naive (message_id, key, payload, created_at)
    SELECT id, key, payload, created_at FROM ${schema}.outbox ORDER BY position`)
  await pool.query('VACUUM ANALYZE outbox_naive')
}
