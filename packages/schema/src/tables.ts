import { quoteIdentifier } from '@oncebox/core'
import { defaultSchema, quoteSchema } from './schemaName.js'

/**
 * Quoted, qualified names of everything in the schema, ready for SQL text. Sequences are passed to functions such as
 * `setval` as `$1::regclass` with the same text as parameter.
 */
export interface Tables {
  /** The quoted schema itself. */
  readonly schema: string
  readonly migration: string
  readonly outbox: string
  readonly scheduled: string
  readonly relayCursor: string
  readonly databaseIdentity: string
  readonly pinnedTopic: string
  readonly topicRepin: string
  readonly parked: string
  readonly publication: string
  readonly inbox: string
  readonly inboxForeign: string
  readonly consumerOffset: string
  readonly attempt: string
  readonly deadLetter: string
  readonly businessKey: string
  readonly parkedKey: string
  readonly parkedDelivery: string
  readonly deadLetterAction: string
  readonly deadLetterCopy: string
  readonly heldPartition: string
  readonly pause: string
  readonly replayRun: string
  readonly replayRequest: string
  /** Sequence: the active slot of the outbox ring. */
  readonly outboxSlot: string
  /** Sequence: ids whose milliseconds lie below are refused. */
  readonly inboxFloor: string
  /** Sequence: numbers of id segments. */
  readonly idSegment: string
  /** Function: `emit(topic, key, type, payload, headers, id, content_type, source)`. */
  readonly emit: string
  /** Function: `inbox_slot(message_id)`. */
  readonly inboxSlot: string
  /** Function: `reclaim_publications(retention)`. */
  readonly reclaimPublications: string
  /** Function: `change_lanes(wanted)`. */
  readonly changeLanes: string
  /** Function: `repin_topic(of_topic, wanted, decided_by, decided_why)`. */
  readonly repinTopic: string
  /** Any other object of the schema by its plain name, such as a leaf of a ring. */
  of(name: string): string
}

/**
 * The one place that qualifies names with the schema setting.
 *
 * @throws OnceboxError `INVALID_SETTING` when the schema name is not usable.
 */
export function tables(schema: string = defaultSchema): Tables {
  const quoted = quoteSchema(schema)
  const of = (name: string): string => `${quoted}.${quoteIdentifier(name)}`
  return {
    schema: quoted,
    migration: of('migration'),
    outbox: of('outbox'),
    scheduled: of('scheduled'),
    relayCursor: of('relay_cursor'),
    databaseIdentity: of('database_identity'),
    pinnedTopic: of('pinned_topic'),
    topicRepin: of('topic_repin'),
    parked: of('parked'),
    publication: of('publication'),
    inbox: of('inbox'),
    inboxForeign: of('inbox_foreign'),
    consumerOffset: of('consumer_offset'),
    attempt: of('attempt'),
    deadLetter: of('dead_letter'),
    businessKey: of('business_key'),
    parkedKey: of('parked_key'),
    parkedDelivery: of('parked_delivery'),
    deadLetterAction: of('dead_letter_action'),
    deadLetterCopy: of('dead_letter_copy'),
    heldPartition: of('held_partition'),
    pause: of('pause'),
    replayRun: of('replay_run'),
    replayRequest: of('replay_request'),
    outboxSlot: of('outbox_slot'),
    inboxFloor: of('inbox_floor'),
    idSegment: of('id_segment'),
    emit: of('emit'),
    inboxSlot: of('inbox_slot'),
    reclaimPublications: of('reclaim_publications'),
    changeLanes: of('change_lanes'),
    repinTopic: of('repin_topic'),
    of,
  }
}
