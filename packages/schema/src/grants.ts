import { inboxRing } from './inboxRing.js'
import { outboxRing } from './outboxRing.js'
import { publicationRing } from './publicationRing.js'
import type { RoleKind } from './roles.js'
import { type Tables, tables } from './tables.js'

const written = 'id, source, topic, key, type, content_type, headers, payload'
const shown = 'created_at, id, source, topic, key, type, content_type'

/** What a kind of role needs, each the middle of `GRANT … TO role`; tests let every kind do its work with these alone. */
export function grantsOf(schema: string, kind: RoleKind): string[] {
  const names = tables(schema)
  const { of } = names
  const usage = [`USAGE ON SCHEMA ${names.schema}`, `EXECUTE ON ALL FUNCTIONS IN SCHEMA ${names.schema}`]
  switch (kind) {
    case 'producer':
      return [...usage, ...producer(names)]
    case 'relay':
      return [
        ...usage,
        on('SELECT', names.migration),
        // Rows that came with a dump get a transaction number of this cluster.
        on('SELECT, UPDATE (xid)', names.outbox),
        on(`INSERT (created_at, ${written})`, names.outbox),
        ...[...outboxRing.leaves, outboxRing.defaultLeaf].map((leaf) => on('SELECT, TRUNCATE', of(leaf))),
        on('SELECT, UPDATE', `SEQUENCE ${names.outboxSlot}`),
        on('SELECT, UPDATE', names.relayCursor),
        on('SELECT, INSERT, DELETE', names.databaseIdentity),
        on('SELECT, INSERT', names.pinnedTopic),
        on('SELECT, INSERT, DELETE', names.parked),
        on('SELECT, DELETE', names.scheduled),
        on('SELECT', names.pause),
        on('SELECT, INSERT', names.publication),
        ...publicationRing.leaves.map((leaf) => on('SELECT, TRUNCATE', of(leaf))),
      ]
    case 'consumer':
      return [
        ...usage,
        on('SELECT', names.migration),
        on('SELECT, INSERT', names.inbox),
        ...inboxRing.leaves.map((leaf) => on('SELECT, TRUNCATE', of(leaf))),
        on('SELECT, UPDATE', `SEQUENCE ${names.inboxFloor}`),
        on('SELECT, INSERT, DELETE', names.inboxForeign),
        on('SELECT, INSERT, UPDATE', names.consumerOffset),
        ...[
          names.attempt,
          names.deadLetter,
          names.deadLetterCopy,
          names.parkedKey,
          names.parkedDelivery,
          names.heldPartition,
        ].map((table) => on('SELECT, INSERT, UPDATE, DELETE', table)),
        on('SELECT, INSERT', names.deadLetterAction),
        on('SELECT, INSERT, UPDATE, DELETE', names.businessKey),
        on('USAGE', `SEQUENCE ${names.idSegment}`),
      ]
    case 'operator':
      return [
        ...usage,
        on('SELECT', `ALL TABLES IN SCHEMA ${names.schema}`),
        on('SELECT', `ALL SEQUENCES IN SCHEMA ${names.schema}`),
        ...producer(names),
        on('UPDATE, DELETE', names.deadLetter),
        on('UPDATE, DELETE', names.parkedKey),
        on('INSERT', names.deadLetterAction),
        on('INSERT, UPDATE (resumed_at, resumed_by, resumed_why)', names.pause),
        // A replay for one group is written where the group's retries are.
        on('INSERT', names.inbox),
        on('INSERT', names.inboxForeign),
        on('INSERT', names.deadLetter),
        on('INSERT', names.parkedKey),
        on('INSERT', names.parkedDelivery),
        on('INSERT, UPDATE (after_position, ended_at)', names.replayRun),
        on('INSERT', names.replayRequest),
      ]
    case 'viewer':
      return [...usage, ...viewer(names)]
  }
}

/** What comes with the functions of the schema and is not for everyone, each the middle of `REVOKE … FROM role`. */
export function revokesOf(schema: string, kind: RoleKind): string[] {
  const { changeLanes, repinTopic } = tables(schema)
  const operators = [`${changeLanes}(integer)`, `${repinTopic}(text, integer, text, text)`]
  return kind === 'operator' ? [] : operators.map((name) => `EXECUTE ON FUNCTION ${name}`)
}

function producer(names: Tables): string[] {
  return [
    on(`INSERT (${written})`, names.outbox),
    on('SELECT', `SEQUENCE ${names.outboxSlot}`),
    on(`INSERT (due_at, ${written})`, names.scheduled),
    on('USAGE', `SEQUENCE ${names.idSegment}`),
  ]
}

/** Everything but payloads, headers, the texts of errors, and the results under business keys. */
function viewer(names: Tables): string[] {
  const { of } = names
  const outbox = [names.outbox, ...[...outboxRing.leaves, outboxRing.defaultLeaf].map(of)]
  const whole = [
    names.migration,
    names.relayCursor,
    names.databaseIdentity,
    names.pinnedTopic,
    names.topicRepin,
    names.publication,
    ...publicationRing.leaves.map(of),
    names.inbox,
    ...inboxRing.leaves.map(of),
    names.inboxForeign,
    names.consumerOffset,
    names.deadLetterAction,
    names.heldPartition,
    names.parkedKey,
    names.pause,
    names.replayRun,
    names.replayRequest,
  ]
  return [
    ...whole.map((table) => on('SELECT', table)),
    on('SELECT', `ALL SEQUENCES IN SCHEMA ${names.schema}`),
    ...outbox.map((table) => on(`SELECT (position, xid, slot, ${shown})`, table)),
    on(`SELECT (number, due_at, ${shown})`, names.scheduled),
    on(`SELECT (number, position, parked_at, lane, reason, ${shown})`, names.parked),
    on('SELECT (first_failed_at, last_failed_at, attempts, consumer, source, message_id)', names.attempt),
    on(
      'SELECT (number, dead_at, first_failed_at, record_time, record_offset, partition, attempts, consumer, source, ' +
        'message_id, topic, type, reason, content_type, parks, retry_at, retry_by, retry_tries, key_digest)',
      names.deadLetter,
    ),
    on(
      'SELECT (number, parked_at, record_time, record_offset, partition, consumer, source, message_id, topic, type, ' +
        'content_type, key_digest)',
      names.parkedDelivery,
    ),
    on('SELECT (number, dead_letter, dead_at, due_at, failures, consumer, topic, reason)', names.deadLetterCopy),
    on('SELECT (recorded_at, expires_at, scope)', names.businessKey),
  ]
}

function on(rights: string, what: string): string {
  return `${rights} ON ${what}`
}
