import pg from 'pg'

/**
 * Makes a login for each role, a member of it and of nothing else: what a service is that was granted the role. Any
 * number of test files may ask for the same ones at once; they stay in the cluster. `db` is a superuser.
 */
export async function createRoleLogins(db: Pick<pg.Pool, 'query'>, roles: readonly string[]): Promise<void> {
  for (const role of roles) {
    await db.query(`DO $login$ BEGIN
      CREATE ROLE ${pg.escapeIdentifier(loginOf(role))} LOGIN IN ROLE ${pg.escapeIdentifier(role)};
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END $login$`)
  }
}

/** The connection string of the same database for the login of a role. */
export function urlAs(url: string, role: string): string {
  const changed = new URL(url)
  changed.username = loginOf(role)
  return changed.href
}

function loginOf(role: string): string {
  return `login_${role}`
}
