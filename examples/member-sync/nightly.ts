// The nightly job: `node nightly.ts postgres://…`. Takes over a copy of the whole directory, without any message or inbox:
// such an upsert may run as often as it likes. Tonight's copy is an old one.
import { classifyDatabaseError } from '@oncebox/core'
import { pgDatabase } from '@oncebox/core/pg'
import pg from 'pg'
import { directory, pagesAt } from './directory.ts'
import { applyPage } from './members.ts'
import type { Member } from './messages.ts'

const [connectionString = ''] = process.argv.slice(2)
const pool = new pg.Pool({ connectionString, max: 1, application_name: 'nightly' })
const db = pgDatabase(pool)

/** A transaction that met a consumer's in the wrong order is run again, as the inbox does for consumers. */
async function apply(page: readonly Member[]): Promise<void> {
  for (;;) {
    try {
      return await db.transaction(({ tx }) => applyPage(tx, directory, page))
    } catch (error) {
      if (classifyDatabaseError(error) !== 'conflict') throw error
    }
  }
}

console.log('begun')
for (const page of pagesAt(3)) await apply(page)
await pool.end()
