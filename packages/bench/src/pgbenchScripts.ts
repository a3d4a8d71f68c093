import { createOutbox } from '@oncebox/outbox'
import { payloadOf, source, topic, type } from './workload.js'

/** A transaction for pgbench. */
export interface PgbenchScript {
  readonly script: string
  readonly variables: Readonly<Record<string, string>>
}

/** What a transaction of pgbench does beside its business row, and whether the message shares COMMIT's round trip. */
export interface PgbenchWay {
  /** `statement`: one that does nothing. `row`: a second business row, which is as large as a message. */
  readonly second: 'none' | 'statement' | 'row' | 'message'
  readonly pipelined: boolean
}

export const pgbenchArms = {
  pgbenchBusiness: { second: 'none', pipelined: false },
  pgbenchStatement: { second: 'statement', pipelined: false },
  pgbenchTwoRows: { second: 'row', pipelined: false },
  pgbenchOutbox: { second: 'message', pipelined: false },
  pgbenchOutboxPipelined: { second: 'message', pipelined: true },
} as const satisfies Record<string, PgbenchWay>

export type PgbenchArm = keyof typeof pgbenchArms

/** An order as large as the message about it. */
const business = 'INSERT INTO orders (customer, cents, details) VALUES (:customer, :cents, :details)'
const order = { customer: 'c1', cents: '100', details: payloadOf(0) }

/** The script of an arm, with the statement that the writer issues. */
export async function pgbenchScript(arm: PgbenchArm): Promise<PgbenchScript> {
  const { second, pipelined } = pgbenchArms[arm]
  const { script, variables } = await secondStatement(second)
  const ending = [...script, 'COMMIT;']
  const sent = pipelined ? ['\\startpipeline', ...ending, '\\endpipeline'] : ending
  return { script: lines('BEGIN;', `${business};`, ...sent), variables: { ...order, ...variables } }
}

async function secondStatement(
  second: PgbenchWay['second'],
): Promise<{ readonly script: readonly string[]; readonly variables: Readonly<Record<string, string>> }> {
  switch (second) {
    case 'none':
      return { script: [], variables: {} }
    case 'statement':
      return { script: ['SELECT 1;'], variables: {} }
    case 'row':
      return { script: [`${business};`], variables: {} }
    case 'message': {
      const { text, values } = await writersStatement()
      const { script, variables } = withVariables(text, values)
      return { script: [script], variables }
    }
  }
}

interface Statement {
  readonly text: string
  readonly values: readonly unknown[]
}

/** What `emit` sends for one message: the writer joins any transaction, this one only listens. */
async function writersStatement(): Promise<Statement> {
  const sent: Statement[] = []
  const outbox = createOutbox({ source })
  await outbox.emit(
    {
      async query(text, values = []) {
        sent.push({ text, values })
        return { rows: [] }
      },
    },
    { topic, key: 'k1', type, data: payloadOf(0), contentType: 'application/json' },
  )
  const [statement] = sent
  if (statement === undefined || sent.length > 1) throw new Error(`emit sent ${sent.length} statements`)
  return statement
}

/** `$1` as `:p1`. pgbench has no value for NULL, so it stands in the text. Pure. */
export function withVariables(text: string, values: readonly unknown[]): PgbenchScript {
  const variables: Record<string, string> = {}
  const named = text.replace(/\$(\d+)/g, (_, number: string) => {
    const value = values[Number(number) - 1] ?? null
    if (value === null) return 'NULL'
    variables[`p${number}`] = value instanceof Uint8Array ? `\\x${Buffer.from(value).toString('hex')}` : String(value)
    return `:p${number}`
  })
  return { script: `${named.replace(/\s+/g, ' ')};`, variables }
}

function lines(...all: readonly string[]): string {
  return `${all.join('\n')}\n`
}
