import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { giveToServer } from './postgresCluster.js'
import { type PostgresOptions, type PostgresServer, startFilled } from './postgresServer.js'

/**
 * Starts a hot standby that streams from `primary`: a copy of its files between pg_backup_start and pg_backup_stop
 * (the npm binaries have no pg_basebackup). Resolves when it accepts read-only connections; `promote()` makes it a
 * primary. Asynchronous, unless the primary's `synchronous_standby_names` says otherwise (its name is `standby`).
 */
export function startStandby(
  primary: PostgresServer,
  options: Pick<PostgresOptions, 'settings' | 'dataDirectory' | 'port'> = {},
): Promise<PostgresServer> {
  const primaryConnection = `host=127.0.0.1 port=${primary.port} user=postgres application_name=standby`
  return startFilled(
    {
      ...options,
      version: primary.version,
      source: primary.source,
      settings: { primary_conninfo: primaryConnection, ...options.settings },
    },
    (_binaries, place) => backUp(primary, place.outside),
  )
}

async function backUp(primary: PostgresServer, target: string): Promise<void> {
  const client = new pg.Client({ connectionString: primary.url })
  await client.connect()
  try {
    // Called otherwise until 14, where the third argument says that other backups may run beside this one.
    const named = primary.version >= 15
    await client.query(
      named ? `select pg_backup_start('standby', true)` : `select pg_start_backup('standby', true, false)`,
    )
    await copyData(primary.dataDirectory, target)
    const stop = named ? 'pg_backup_stop(false)' : 'pg_stop_backup(false)'
    const { rows } = await client.query<{ labelfile: string }>(`select labelfile from ${stop}`)
    await writeFile(join(target, 'backup_label'), rows[0]?.labelfile ?? '')
    await writeFile(join(target, 'standby.signal'), '')
    for (const name of ['backup_label', 'standby.signal']) await giveToServer(join(target, name))
  } finally {
    await client.end()
  }
}

// What the manual's chapter on base backups leaves out: the standby streams its own log and has its own slots.
const emptied = new Set([
  'pg_wal',
  'pg_replslot',
  'pg_dynshmem',
  'pg_notify',
  'pg_serial',
  'pg_snapshots',
  'pg_stat_tmp',
  'pg_subtrans',
])
const leftOut = new Set(['postmaster.pid', 'postmaster.opts'])

async function copyData(from: string, to: string, below = ''): Promise<void> {
  for (const entry of await readdir(join(from, below), { withFileTypes: true })) {
    const path = join(below, entry.name)
    if (leftOut.has(path)) continue
    if (entry.isDirectory()) {
      await mkdir(join(to, path), { mode: 0o700 })
      await giveToServer(join(to, path))
      if (!emptied.has(path)) await copyData(from, to, path)
    } else if (await copied(join(from, path), join(to, path))) {
      await giveToServer(join(to, path))
    }
  }
}

/** False when the file has gone meanwhile, as a dropped table's does: replaying the log drops it too. */
async function copied(from: string, to: string): Promise<boolean> {
  try {
    await copyFile(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}
