import type { SeenStatement } from './statementProxy.js'

/** Every table that a statement writes to, by its plain name, quotes taken off: also in WITH queries. */
export function writtenTables(text: string): string[] {
  const targets = text.matchAll(
    /\b(?:insert\s+into|update(?:\s+only)?|delete\s+from|merge\s+into|copy)\s+((?:"[^"]+"|[\w.])+)/gi,
  )
  return [...targets]
    .map((match) => (match[1] as string).replaceAll('"', '').replace(/^public\./, ''))
    .filter((name) => name !== 'set')
}

/** The last of the statements that writes to one of `tables`. */
export function lastWriter(statements: readonly SeenStatement[], tables: readonly string[]): SeenStatement | undefined {
  return statements.findLast(({ text }) =>
    writtenTables(text).some(
      (name) => tables.includes(name) || (name.endsWith('.outbox') && tables.includes('oncebox.outbox')),
    ),
  )
}

/** What would make a write happen once. */
export type Guard = 'businessKey' | 'transition' | 'versioned' | 'upsert' | 'transaction' | 'message' | 'rethrow'

/** The guard for a write that came twice, in two messages that ask for the same: by what the statement does. */
export function guardOf(text: string): Guard {
  if (/\binsert\s+into\b/i.test(text)) return /\bon\s+conflict\b.*\bexcluded\b/is.test(text) ? 'upsert' : 'businessKey'
  if (/\bupdate\b/i.test(text)) {
    if (/\bversion\b/i.test(text)) return 'versioned'
    const relative = /("?\w+"?)\s*=\s*\(?("?\w+"?\.)?\1\s*[-+*]/i.test(text)
    return relative ? 'versioned' : 'transition'
  }
  return 'businessKey'
}

export const advice: Readonly<Record<Guard, string>> = {
  businessKey:
    'Do the work in businessKey(tx, { scope, key }, …) with the key of the business (serial number, user and event): who asks again gets the first result. A unique index beside it is the last line.',
  transition:
    'Change the state with transition(tx, { table, id, column, from, to }): it applies once, and says "already" after that.',
  versioned:
    'Let the message carry the version that its sender has seen, and write with versioned(tx, { table, id, version, set }); or do the work in businessKey(tx, …) when there is no version.',
  upsert:
    'Write with upsert(tx, { table, key, insert, onlyIfNewer }) whose result does not depend on how often it runs.',
  transaction:
    'The effect is outside the transaction: write through `tx` or `trx` of the handler. An effect elsewhere (HTTP, mail) belongs into a message of its own, emitted here, with the message id as idempotency key there.',
  message:
    'Take the value from the message (its id, its time, its data) or from the database, not from memory, clock or chance; or name the column in `ignore` when it may differ.',
  rethrow:
    'Let errors of SQL leave the handler; where a statement may fail, put it into a savepoint and catch only the SQLSTATE that you expect.',
}
