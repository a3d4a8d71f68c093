import { pgDatabase } from '@oncebox/core/pg'
import { deleteExpiredBusinessKeys } from '@oncebox/guards'
import { reclaimInbox } from '@oncebox/inbox'
import { requireSchema, tables } from '@oncebox/schema'
import { openDatabase } from '../command/database.js'
import { type ExitCode, exitCode } from '../command/exitCode.js'
import type { Console } from '../command/runVerb.js'
import type { CommonFlags } from '../flags/commonFlags.js'
import type { DatabaseFlags } from '../flags/databaseFlags.js'

export interface PruneFlags extends CommonFlags, DatabaseFlags {}

/** `oncebox prune`: gives back what is past its time. Nothing that could still be needed is; twice does no harm. */
export async function prune({ schema, ...flags }: PruneFlags, console: Console): Promise<ExitCode> {
  const stop = console.stopRequested()
  const database = await openDatabase({ ...flags, schema }, 'prune')
  try {
    const { pool } = database
    await database.session((client) => requireSchema(client, { schema, minimumVersion: 8 }))
    const db = pgDatabase(pool)
    const { deletedRows: businessKeys } = await deleteExpiredBusinessKeys({ db, schema, signal: stop })
    const inbox = await reclaimInbox({ db, schema, signal: stop })
    const { rows } = await pool.query<{ emptied: number }>(`SELECT ${tables(schema).reclaimPublications}() AS emptied`)
    const pruned = {
      businessKeys,
      inboxLeaves: inbox.leaves,
      inboxRows: inbox.deletedRows,
      publicationLeaves: rows[0]?.emptied ?? 0,
    }
    console.output.write(pruned, () =>
      [
        `Deleted ${businessKeys} expired business keys, and ${inbox.deletedRows} foreign ids and attempts.`,
        `Emptied ${inbox.leaves.length} leaves of the inbox and ${pruned.publicationLeaves} of the publications.`,
      ].join('\n'),
    )
    return exitCode.fine
  } finally {
    await database.end()
  }
}
