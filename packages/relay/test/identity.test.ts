import { tables } from '@oncebox/schema'
import { expect, test } from 'vitest'
import { adoptDatabase } from '../dist/identity.js'
import { Session } from '../dist/session.js'
import { bench } from './relayBench.js'

test('adopting a copy may take longer than any other statement: all that is retained is written anew', async () => {
  await using at = await bench()
  await at.emit('t', 'k', '1')
  await at.query(`
    UPDATE oncebox.database_identity SET system_identifier = '1';
    UPDATE oncebox.outbox SET xid = (pg_current_xact_id()::text::bigint + 1000000)::text::xid8;
    CREATE FUNCTION take_long() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(4); RETURN NEW; END $$;
    CREATE TRIGGER take_long BEFORE UPDATE ON oncebox.outbox FOR EACH ROW EXECUTE FUNCTION take_long();
  `)
  const session = await Session.open(at.relayPool, { timeoutMs: 3_000 })
  try {
    expect(await adoptDatabase(session, tables())).toBe(true)
    expect(await adoptDatabase(session, tables())).toBe(false)
  } finally {
    session.close()
  }
})
