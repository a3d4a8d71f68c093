import type { Publisher } from '@oncebox/transport'
import type { Defect } from './defect.js'
import type { LaneRules } from './modelDatabase.js'
import type { SessionChange } from './modelPool.js'
import { pauseDefects } from './pauseDefects.js'
import { scheduledDefects } from './scheduledDefects.js'
import type { Answer } from './statement.js'

const inboxInsert = 'INSERT INTO "oncebox"."inbox" ('
const isWindow = (text: string): boolean => text.includes('NULL::bigint, NULL::uuid')

/** What a window statement becomes. */
function window(change: (text: string) => string): Defect {
  return { pool: () => ({ statement: (text) => (isWindow(text) ? change(text) : text) }) }
}

/** Answers of the transport become others. */
function publishing(change: (publish: Publisher['publish']) => Publisher['publish']): Defect {
  return { publisher: (publisher) => ({ ...publisher, publish: change((records) => publisher.publish(records)) }) }
}

/** Where leaves of the outbox are emptied. */
function ring(change: SessionChange): Defect {
  return { pool: () => change, concerns: (schedule) => schedule.ring !== null }
}

/** Where ids of the inbox are forgotten. */
function days(inbox: NonNullable<Defect['inbox']>): Defect {
  return { inbox, concerns: (schedule) => schedule.days !== null }
}

/** Where keys of a consumer wait. */
function waits(inbox: NonNullable<Defect['inbox']>): Defect {
  return { inbox, concerns: ({ poison, consumers }) => consumers > 0 && poison.policy === 'park' }
}

/** Where a message ends its process for as long as anybody tries. */
function kills(inbox: NonNullable<Defect['inbox']>): Defect {
  return {
    inbox,
    concerns: ({ poison, consumers }) =>
      consumers > 0 && poison.policy === 'skip' && poison.messages.some((message) => message.kills),
  }
}

/** A change of the number of lanes that leaves something out. */
function lanes(laneRules: Partial<LaneRules>): Defect {
  return { laneRules, concerns: ({ laneChanges }) => laneChanges.length > 0 }
}

const secondArm = 'xid = ANY (ARRAY(SELECT pg_snapshot_xip($1::pg_snapshot)))'

/**
 * Deliberate defects of the rules that keep messages from being lost or reordered, each as what the relay would say to the
 * database or make of an answer. The simulation has to find every one of them.
 */
export const defects: Readonly<Record<string, Defect>> = {
  'id > last': {
    pool: () => {
      // The position of the last row seen, kept in memory as the place to go on from.
      let last = 0
      return {
        statement: (text) =>
          isWindow(text) ? `${text} /* position > ${last} */`.replace(firstArm, `position > ${last}`) : text,
        answer: (text, answer) => {
          if (isWindow(text)) last = Math.max(last, ...positionsOf(answer))
          return answer
        },
      }
    },
  },
  'order by xid': window((text) => text.replace('ORDER BY position', 'ORDER BY xid')),
  'ignore xip': window((text) => text.replace(secondArm, 'false')),
  'ignore what is not in xip': window((text) => text.replace(firstArm, 'false')),
  'last kept in memory over a reconnect': { pool: rememberLast },
  'cursor before the ack': publishing((publish) => async (records) => {
    const outcomes = await publish(records)
    return outcomes.map((outcome) =>
      outcome.status === 'failed' ? { status: 'acked' as const, partition: 0, offset: null } : outcome,
    )
  }),
  'no prefix rule': publishing((publish) => async (records) => {
    // Each record for itself, whatever became of the one before it.
    const outcomes = await Promise.all(records.map((record) => publish([record])))
    return outcomes.flat()
  }),
  'no inbox': {
    inbox: (run) => async (context) => {
      const answer = await run(context)
      return context.text.includes(inboxInsert) ? { rows: [{ ids: null }] } : answer
    },
  },
  'inbox outside the transaction': {
    inbox: (run) => async (context) => {
      if (!context.text.includes(inboxInsert)) return run(context)
      const transaction = context.database.begin()
      const answer = await run({ ...context, transaction })
      context.database.commit(transaction)
      return answer
    },
  },
  'a COMMIT without an answer counts as done': {
    concerns: ({ statementFaults }) => statementFaults.some(({ who, of }) => who === 'consumer' && of === 'commit'),
    consumerPool: () => ({ failure: (text) => (text === 'COMMIT' ? { rows: [], command: 'COMMIT' } : undefined) }),
  },
  'nobody notices that a handler hid an error': {
    concerns: ({ swallows, statementFaults }) => swallows && statementFaults.some(({ who }) => who === 'consumer'),
    consumerPool: () => ({
      failure: (_text, error) => ('code' in error && error.code === '25P02' ? { rows: [{ same: true }] } : undefined),
      answer: (text, answer) => (text === 'COMMIT' ? { ...answer, command: 'COMMIT' } : answer),
    }),
  },
  'a leaf is looked at before its lock is had': ring({
    answer: (text, answer) => (text.includes('SELECT NOT (EXISTS (') ? { rows: [['t']] } : answer),
  }),
  'a leaf is emptied although transactions run that have rows in it': ring({
    statement: (text) =>
      text.replaceAll(/xid = ANY \(ARRAY\(SELECT pg_snapshot_xip\(lane.last_snapshot\)\)\)/g, 'false'),
  }),
  'ids are forgotten without raising the floor': days((run) => (context) => {
    return context.text.includes('SELECT setval($1::text::regclass') ? { rows: [{}] } : run(context)
  }),
  'the floor is ignored': days((run) => async (context) => {
    const answer = await run(context)
    const gate = context.text.includes('AS floor,\n')
    return gate ? { ...answer, rows: answer.rows.map((row) => ({ ...row, floor: '0' })) } : answer
  }),
  'messages run although their key waits': waits((run) => (context) => {
    return context.text.includes('SELECT head.topic, encode(head.key_digest') ? { rows: [] } : run(context)
  }),
  'a key is let go although messages wait': waits((run) => (context) => {
    const released = context.text.includes('DELETE FROM "oncebox"."parked_key"')
    return run(released ? { ...context, text: 'DELETE FROM "oncebox"."parked_key" WHERE true' } : context)
  }),
  'nobody notes what is in hand after a death': kills((run) => async (context) => {
    return context.text.includes('UPDATE "oncebox"."held_partition" SET in_hand') ? { rows: [] } : run(context)
  }),
  'an attempt that has begun counts only when its end is known': kills((run) => async (context) => {
    const begins = context.text.includes('INSERT INTO "oncebox"."attempt"') && typeof context.values[4] === 'number'
    return begins ? { rows: [{ attempts: 1 }] } : run(context)
  }),
  'what a relay has moved aside is forgotten by the next one': {
    pool: () => ({
      answer: (text, answer) => (text.includes('SELECT DISTINCT ON (topic, key)') ? { rows: [] } : answer),
    }),
    concerns: ({ refused, missing }) => refused.length + missing.length > 0,
  },
  'lanes go on where the furthest had got to': lanes({ fromTheCommonPlace: false }),
  'what is parked stays with the lane that there was': {
    ...lanes({ movesParked: false }),
    concerns: ({ laneChanges, refused, missing }) => laneChanges.length > 0 && refused.length + missing.length > 0,
  },
  'leases outlive a change of the number of lanes': lanes({ endsLeases: false }),
  'a write without the epoch': {
    pool: () => ({
      statement: (text) => text.replace('AND epoch = $2::bigint AND token = $3::uuid', '/* any epoch */'),
    }),
  },
  ...scheduledDefects,
  ...pauseDefects,
}

const firstArm = 'xid >= pg_snapshot_xmax($1::pg_snapshot)'

function positionsOf({ wire = [] }: Answer): number[] {
  // Type, length, number of columns, the header's NULL, the length of the position; then the position.
  return wire.slice(1).map((bytes) => Number(bytes.readBigInt64BE(15)))
}

/** One memory for all connections of a process: what its last window ended with. */
function rememberLast(): ReturnType<NonNullable<Defect['pool']>> {
  let last: string | null = null
  return {
    answer(text, answer) {
      if (isWindow(text)) {
        const header = answer.wire?.[0]
        if (header !== undefined)
          last = (JSON.parse(header.toString('utf8', 11, 11 + header.readInt32BE(7))) as { snapshot: string }).snapshot
      }
      if (!text.includes('SET epoch = epoch + 1') || last === null || answer.rows[0] === undefined) return answer
      const [epoch = null] = answer.rows[0] as readonly (string | null)[]
      return { rows: [[epoch, last, null, null]] }
    },
  }
}
