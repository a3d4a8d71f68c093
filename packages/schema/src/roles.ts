import { quoteIdentifier, quoteLiteral, type Tx } from '@oncebox/core'
import { grantsOf, revokesOf } from './grants.js'
import { lockKey } from './migrationStatements.js'
import { defaultSchema, quoteSchema } from './schemaName.js'

/**
 * - `producer`: writes messages, and reads none.
 * - `relay`: publishes, reclaims, adopts a restored database.
 * - `consumer`: inbox, offsets, dead letters, guards. A handler that emits needs `producer` too.
 * - `operator`: reads everything, payloads too; decides about dead letters; replays.
 * - `viewer`: `status`, `show`, `lag`, `doctor`, `dead list`: no payload, no header, no error text.
 */
export const roleKinds = ['producer', 'relay', 'consumer', 'operator', 'viewer'] as const

/** What a role is for: one of `roleKinds`. */
export type RoleKind = (typeof roleKinds)[number]

export interface RolesOptions {
  /** Default `oncebox`. */
  readonly schema?: string
  /** Who gets which rights. Default: every kind, to a role of its own called `<schema>_<kind>`. */
  readonly roles?: Readonly<Partial<Record<RoleKind, string>>>
}

/** `oncebox_producer`, `oncebox_relay`, …. */
export function defaultRoles(schema: string = defaultSchema): Readonly<Record<RoleKind, string>> {
  return Object.fromEntries(roleKinds.map((kind) => [kind, `${schema}_${kind}`])) as Record<RoleKind, string>
}

/**
 * SQL that gives each role what its kind needs and no more; a role that does not exist is created without login. It
 * can be run again: after an upgrade it has to be. What was granted otherwise stays.
 *
 * @throws OnceboxError `INVALID_SETTING` when the schema or a role cannot be a name.
 */
export function printRoles(options: RolesOptions = {}): string {
  const schema = options.schema ?? defaultSchema
  quoteSchema(schema)
  const roles = options.roles ?? defaultRoles(schema)
  const parts = roleKinds.flatMap((kind) => {
    const name = roles[kind]
    return name === undefined ? [] : [`-- ${kind}\n${createRole(name)}\n${grants(schema, kind, name)}`]
  })
  return `${parts.join('\n\n')}\n`
}

/**
 * Runs `printRoles` on `tx`, in one transaction that the caller opens. The user owns the schema, and may create roles
 * where some are missing. Any number of processes may run it at once.
 */
export async function applyRoles(tx: Tx, options: RolesOptions = {}): Promise<void> {
  await tx.query('SELECT pg_advisory_xact_lock($1::bigint)', [lockKey(options.schema ?? defaultSchema)])
  await tx.query(printRoles(options))
}

function createRole(name: string): string {
  const role = quoteIdentifier(name)
  // Asked first: CREATE ROLE takes rights that only the first run needs.
  return `DO $role$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = ${quoteLiteral(name)}) THEN CREATE ROLE ${role} NOLOGIN; END IF;
-- Roles belong to the cluster: somebody who migrates another database of it may have been quicker.
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $role$;`
}

function grants(schema: string, kind: RoleKind, name: string): string {
  const role = quoteIdentifier(name)
  return [
    ...grantsOf(schema, kind).map((grant) => `GRANT ${grant} TO ${role};`),
    ...revokesOf(schema, kind).map((revoke) => `REVOKE ${revoke} FROM ${role};`),
  ].join('\n')
}
