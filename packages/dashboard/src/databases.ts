import { OnceboxError } from '@oncebox/core'
import type { Placed } from './picture.js'
import { openSessions, type Sessions } from './sessions.js'
import type { DashboardSettings } from './settings.js'

/** One of the databases that the page shows. */
export interface NamedDatabase {
  /** Empty for the one with the outbox. */
  readonly name: string
  readonly sessions: Sessions
}

/** The databases of a dashboard, the one with the outbox first. */
export function openDatabases({ pool, consumers }: DashboardSettings): readonly NamedDatabase[] {
  const others = Object.entries(consumers).map(([name, other]) => ({ name, sessions: openSessions(other) }))
  return [{ name: '', sessions: openSessions(pool) }, ...others]
}

/** @throws OnceboxError `INVALID_SETTING` when there is none of that name. */
export function databaseNamed(databases: readonly NamedDatabase[], name = ''): NamedDatabase {
  const found = databases.find((database) => database.name === name)
  if (found === undefined) throw new OnceboxError('INVALID_SETTING', 'There is no database of that name here')
  return found
}

/** What `read` finds in each database, in their order, with where it was found. */
export async function everywhere<T extends object>(
  databases: readonly NamedDatabase[],
  read: (sessions: Sessions) => Promise<readonly T[]>,
): Promise<Placed<T>[]> {
  const found = await Promise.all(databases.map(({ sessions }) => read(sessions)))
  return databases.flatMap(({ name }, place) => (found[place] ?? []).map((one) => ({ ...one, database: name })))
}
