import { AssertionError } from 'node:assert'
import { isUuidV7, type Tx } from '@oncebox/core'
import { defaultSchema, type Tables, tables as tablesOf } from '@oncebox/schema'

export interface ExpectHandledOnceOptions {
  /** The consumer group. */
  readonly group: string
  /** The message's id. */
  readonly id: string
  /** Of an id that is no UUIDv7: such ids are told apart by source. Default: any. */
  readonly source?: string
  /** Default `oncebox`. */
  readonly schema?: string
}

/** What the group knows of a message. */
interface Known {
  readonly remembered: number
  readonly attempts: number | null
  readonly dead: string | null
  readonly waits: boolean
}

/**
 * For tests: asserts that the consumer group has handled the message, which means once, and that it is neither among the
 * dead letters nor waits behind another one. Joins the transaction `tx`, or is a statement by itself; needs the right to
 * read the inbox.
 *
 * @throws AssertionError (`node:assert`) saying what became of the message instead.
 */
export async function expectHandledOnce(tx: Tx, options: ExpectHandledOnceOptions): Promise<void> {
  const { group, id } = options
  const known = await knownOf(tx, tablesOf(options.schema ?? defaultSchema), options)
  const instead = whatInstead(known)
  if (instead === null) return
  throw new AssertionError({
    message: `Message ${id} was not handled once by group ${group}: ${instead}`,
    actual: known,
    expected: { remembered: 1, attempts: null, dead: null, waits: false },
    operator: 'expectHandledOnce',
  })
}

function whatInstead({ remembered, attempts, dead, waits }: Known): string | null {
  if (dead !== null) return `it is a dead letter (${dead})`
  if (waits) return 'it waits behind an earlier message of its key, or for its next attempt'
  if (attempts !== null) return `it has failed ${attempts} times and will be tried again`
  if (remembered === 0) return 'the group has not handled it'
  return remembered === 1 ? null : `${remembered} messages of different sources have this id; say which source`
}

async function knownOf(tx: Tx, tables: Tables, options: ExpectHandledOnceOptions): Promise<Known> {
  const { group, id, source = null } = options
  const ring = isUuidV7(id)
  const text = ring ? id.toLowerCase() : id
  const which = 'consumer = $1::text AND message_id = $2::text AND ($3::text IS NULL OR source = $3::text)'
  const remembered = ring
    ? `SELECT count(*) FROM ${tables.inbox} WHERE consumer = $1::text AND message_id = $2::uuid`
    : `SELECT count(*) FROM ${tables.inboxForeign} WHERE ${which}`
  const { rows } = await tx.query<Known>(
    `SELECT (${remembered})::int AS remembered,
       (SELECT max(attempts) FROM ${tables.attempt} WHERE ${which}) AS attempts,
       (SELECT min(reason) FROM ${tables.deadLetter} WHERE ${which}) AS dead,
       EXISTS (SELECT FROM ${tables.parkedDelivery} WHERE ${which}) AS waits`,
    [group, text, ring ? null : source],
  )
  return rows[0] as Known
}
