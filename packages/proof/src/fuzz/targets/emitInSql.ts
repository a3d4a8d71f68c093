import { randomUUID } from 'node:crypto'
import { isOnceboxError, type Tx } from '@oncebox/core'
import { createOutbox } from '@oncebox/outbox'
import { migrate } from '@oncebox/schema'
import pg from 'pg'
import type { Dice } from '../../simulation/dice.js'
import { junkBytes, junkText, junkValue } from '../junk.js'
import type { OpenTarget, Outcome, Surroundings, Target } from '../target.js'

/**
 * `emit` in SQL, many calls a round trip, each in a subtransaction: what is taken stands in the outbox as it was given,
 * what is refused has SQLSTATE 22023 and left nothing, and neither takes a neighbour along. It refuses what `emit` in
 * TypeScript refuses.
 */
export const emitInSql: Target = {
  name: 'emit in SQL',
  cases: { full: 100_000, slice: 1_500 },
  atOnce: 500,
  open,
}

/** The arguments of a call: the payload's kind chooses the overload. `payload` is in hexadecimal for bytea. */
interface Call {
  readonly kind: 'bytea' | 'jsonb' | 'text'
  readonly topic: string | null
  readonly key: string | null
  readonly type: string | null
  readonly payload: string | null
  /** JSON text. */
  readonly headers: string | null
  readonly id: string | null
  readonly contentType: string | null
  readonly source: string | null
}

function make(dice: Dice): Call {
  const kind = dice.pick(['bytea', 'jsonb', 'text'] as const)
  const maybe = (probability: number, of: () => string): string | null => (dice.chance(probability) ? of() : null)
  const long = dice.chance(0.002) ? dice.pick([99_000, 100_001, 899_990, 900_001]) : 0
  const payload = {
    bytea: () => (long > 0 ? Buffer.alloc(long) : junkBytes(dice)).toString('hex'),
    jsonb: () => jsonOf(long > 0 ? 'x'.repeat(long) : junkValue(dice)),
    text: () => (long > 0 ? 'x'.repeat(long) : sqlText(dice)),
  }
  return {
    kind,
    topic: dice.chance(0.7) ? 'orders' : maybe(0.9, () => sqlText(dice)),
    key: maybe(0.6, () => (dice.chance(0.002) ? 'k'.repeat(100_001) : sqlText(dice))),
    type: dice.chance(0.7) ? 'made' : maybe(0.9, () => sqlText(dice)),
    payload: maybe(0.9, payload[kind]),
    headers: maybe(0.6, () => headersOf(dice)),
    id: maybe(0.2, () => (dice.chance(0.8) ? randomId(dice) : randomId(dice).toUpperCase())),
    contentType: maybe(0.3, () => sqlText(dice)),
    source: maybe(0.3, () => sqlText(dice)),
  }
}

/** Text as a driver sends it: without NUL, well-formed. */
function sqlText(dice: Dice): string {
  return junkText(dice).replaceAll('\0', '').toWellFormed()
}

function randomId(dice: Dice): string {
  const digits = Array.from({ length: 32 }, () => dice.below(16).toString(16)).join('')
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

const headerNames = [
  'ce_id',
  'CE_ID',
  'cE_',
  'ce',
  'Content-Type',
  'content-type',
  'CONTENT-TYPE ',
  'traceparent',
  '',
  'ſ',
  'İ',
  'K',
]

function headersOf(dice: Dice): string {
  if (dice.chance(0.2)) return jsonOf(junkValue(dice))
  const entries = Array.from({ length: dice.below(4) }, () => {
    const name = dice.chance(0.4) ? dice.pick(headerNames) : sqlText(dice)
    return [name, dice.chance(0.85) ? sqlText(dice) : junkValue(dice)]
  })
  return jsonOf(Object.fromEntries(entries))
}

/** As JSON that Postgres reads: what JSON does not know becomes null. */
function jsonOf(value: unknown): string {
  return JSON.stringify(jsonValue(value, 0)) ?? 'null'
}

/** A cycle goes down for ever: nothing here is so deep otherwise. */
const deepest = 8

function jsonValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return value.replaceAll('\0', '').toWellFormed()
  if (typeof value === 'bigint' || depth > deepest) return null
  if (Array.isArray(value)) return value.map((part) => jsonValue(part, depth + 1))
  if (typeof value !== 'object' || value === null || value instanceof Date) return value
  const entries = Object.entries(value).map(([name, part]) => [jsonValue(name, 0), jsonValue(part, depth + 1)])
  return Object.fromEntries(entries)
}

/** What a call left: `error` and `message` where it was refused. */
interface Answer {
  readonly id: string | null
  readonly error: string | null
  readonly message: string | null
}

const helper = `
CREATE FUNCTION try_calls(calls jsonb) RETURNS TABLE (id uuid, error text, message text) LANGUAGE plpgsql AS $$
DECLARE
  call jsonb;
BEGIN
  FOR call IN SELECT value FROM jsonb_array_elements(calls) WITH ORDINALITY ORDER BY ordinality LOOP
    id := NULL; error := NULL; message := NULL;
    BEGIN
      CASE call->>'kind'
        WHEN 'bytea' THEN id := oncebox.emit(call->>'topic', call->>'key', call->>'type', decode(call->>'payload', 'hex'),
          (call->>'headers')::jsonb, (call->>'id')::uuid, call->>'contentType', call->>'source');
        WHEN 'jsonb' THEN id := oncebox.emit(call->>'topic', call->>'key', call->>'type', (call->>'payload')::jsonb,
          (call->>'headers')::jsonb, (call->>'id')::uuid, call->>'contentType', call->>'source');
        ELSE id := oncebox.emit(call->>'topic', call->>'key', call->>'type', call->>'payload',
          (call->>'headers')::jsonb, (call->>'id')::uuid, call->>'contentType', call->>'source');
      END CASE;
    EXCEPTION WHEN OTHERS THEN
      error := SQLSTATE; message := SQLERRM;
    END;
    RETURN NEXT;
  END LOOP;
END
$$`

const written = `
SELECT id, topic, key, type, encode(payload, 'hex') AS payload, headers::text AS headers, content_type, source,
  headers IS NOT DISTINCT FROM (calls.call->>'headers')::jsonb AS "headersKept",
  payload IS NOT DISTINCT FROM CASE calls.call->>'kind'
    WHEN 'bytea' THEN decode(calls.call->>'payload', 'hex')
    WHEN 'jsonb' THEN convert_to(((calls.call->>'payload')::jsonb)::text, 'UTF8')
    ELSE convert_to(calls.call->>'payload', 'UTF8')
  END AS "payloadKept"
FROM (SELECT *, row_number() OVER (ORDER BY position) AS nth FROM oncebox.outbox) AS rows
LEFT JOIN jsonb_array_elements($1) WITH ORDINALITY AS calls (call, nth) USING (nth)
ORDER BY position`

interface Row {
  readonly id: string
  readonly topic: string
  readonly key: string | null
  readonly type: string
  readonly payload: string | null
  readonly headers: string | null
  readonly content_type: string | null
  readonly source: string
  readonly headersKept: boolean
  readonly payloadKept: boolean
}

async function open({ createDatabase }: Surroundings): Promise<OpenTarget<Call>> {
  const client = new pg.Client({ connectionString: await createDatabase() })
  await client.connect()
  await migrate(client)
  await client.query(helper)
  return {
    make,
    async tryAll(calls) {
      await client.query('BEGIN')
      try {
        const { rows: answers } = await client.query<Answer>('SELECT * FROM try_calls($1)', [JSON.stringify(calls)])
        const taken = calls.filter((_, index) => answers[index]?.error === null)
        const { rows } = await client.query<Row>(written, [JSON.stringify(taken)])
        const count = answers.length === calls.length && rows.length === taken.length
        if (!count)
          return calls.map(() => ({
            broken: `${taken.length} calls of a batch were taken, and it left ${rows.length} rows`,
          }))
        let next = 0
        const outcomes: Outcome[] = []
        for (const [index, call] of calls.entries()) {
          const answer = answers[index] as Answer
          outcomes.push(await judge(call, answer, answer.error === null ? rows[next++] : undefined))
        }
        return outcomes
      } finally {
        await client.query('ROLLBACK')
      }
    },
    [Symbol.asyncDispose]: () => client.end(),
  }
}

async function judge(call: Call, answer: Answer, row: Row | undefined): Promise<Outcome> {
  const alike = await refusedInTypeScript(call)
  if (row === undefined) {
    if (answer.error !== '22023') return { broken: `refused with SQLSTATE ${answer.error}: ${answer.message}` }
    return alike === null ? { broken: `refused, and TypeScript takes it: ${answer.message}` } : 'refused'
  }
  if (alike !== null) return { broken: `taken, and TypeScript refuses it: ${alike}` }
  const given = { topic: call.topic, key: call.key, type: call.type, id: call.id?.toLowerCase() ?? answer.id }
  for (const [name, value] of Object.entries(given)) {
    if (row[name as keyof Row] !== value) return { broken: `${name} is stored as ${row[name as keyof Row]}` }
  }
  if (call.source !== null && row.source !== call.source) return { broken: `the source is stored as ${row.source}` }
  if (row.content_type !== contentTypeOf(call)) {
    return { broken: `the content type is stored as ${row.content_type}` }
  }
  if (!row.headersKept) return { broken: `the headers are stored as ${row.headers}` }
  return row.payloadKept ? 'taken' : { broken: `the payload is stored as ${row.payload}` }
}

const defaultTypes = { bytea: 'application/octet-stream', jsonb: 'application/json', text: 'text/plain; charset=utf-8' }

function contentTypeOf({ contentType, kind, payload }: Call): string | null {
  if (contentType !== null && contentType !== '') return contentType
  return payload === null ? null : defaultTypes[kind]
}

const nowhere: Tx = { query: async () => ({ rows: [] }) }

/** Why `emit` in TypeScript refuses the same message, or null. */
async function refusedInTypeScript(call: Call): Promise<string | null> {
  const data = call.payload === null ? null : Buffer.from(call.payload, call.kind === 'bytea' ? 'hex' : 'utf8')
  const headers = call.headers === null ? undefined : JSON.parse(call.headers)
  try {
    const outbox = createOutbox({ source: call.source ?? 'fuzz' })
    await outbox.emit(nowhere, {
      topic: call.topic as string,
      type: call.type as string,
      key: call.key,
      data,
      headers,
      id: call.id ?? randomUUID(),
      // In SQL an empty one is the same as none: writers from before must not fail after an upgrade.
      ...(call.contentType === null || call.contentType === '' ? {} : { contentType: call.contentType }),
    })
    return null
  } catch (error) {
    if (isOnceboxError(error)) return `${error.code}: ${error.message}`
    throw error
  }
}
