import type { Tx, WireRecord } from '@oncebox/core'
import { tables as tablesOf } from '@oncebox/schema'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readAttempts, recordAttempt, startAttempt, takeBackAttempt } from '../../../inbox/src/attempts.js'
import { storeDeadLetters } from '../../../inbox/src/deadLetters.js'
import type { Item } from '../../../inbox/src/decode.js'
import { insertIds } from '../../../inbox/src/dedupe.js'
import { forgetHolders, holdPartitions, noteInHand, releasePartitions } from '../../../inbox/src/heldPartitions.js'
import { messageIdOf } from '../../../inbox/src/messageId.js'
import { buryParked, deleteParked, readParked } from '../../../inbox/src/parkedDeliveries.js'
import { lockHead, type ParkedKey, releaseHead, setDue } from '../../../inbox/src/parkedHead.js'
import { countKeysAside, keyPlaceOf, lockParkedKeys, park } from '../../../inbox/src/parking.js'
import { redriveKey } from '../../../inbox/src/redriveKey.js'
import { redriveLetter } from '../../../inbox/src/redriveLetter.js'
import type { RedriveParts } from '../../../inbox/src/redriveRun.js'
import type { Dice } from '../../src/simulation/dice.js'
import { runInboxStatement } from '../../src/simulation/inboxStatements.js'
import { ModelDatabase } from '../../src/simulation/modelDatabase.js'
import { idOf } from '../../src/simulation/outboxRow.js'
import { type Operation, runTwins, startSessions, type TwinRun, type TwinSessions } from './twins.js'

// The inbox's own statements on Postgres and on the model: three sessions at a time, at random, with what waits for whom.

const tables = tablesOf()
const group = 'group'
const keys = ['k1', 'k2', 'k3']
// Two, so that each meets one mark of another at most: in which order Postgres finds several is its own business.
const holders = [1, 2].map((number) => `00000000-0000-0000-0000-00000000000${number}`)
const error = { name: 'Error', message: 'on purpose' }

let clients: TwinSessions['clients']
let observer: TwinSessions['observer']
let close: TwinSessions['close']

beforeAll(async () => {
  ;({ clients, observer, close } = await startSessions())
})

afterAll(() => close())

function itemOf(number: number): Item {
  const id = idOf(number)
  const key = Buffer.from(keys[number % keys.length] as string)
  const record: WireRecord = {
    topic: 'a',
    partition: 0,
    offset: String(number),
    timestamp: 1_000,
    key,
    value: null,
    headers: [],
  }
  return {
    index: number,
    record,
    id: messageIdOf(record, id, 'shop'),
    type: 'made',
    contentType: null,
    verdict: { kind: 'ignore' },
  }
}

function keyOf(number: number): ParkedKey {
  const [topic = '', digest = ''] = keyPlaceOf(itemOf(number))?.split('\0') ?? []
  return { topic, digest }
}

class Claimed extends Error {
  readonly claim: unknown

  constructor(claim: unknown) {
    super('claimed')
    this.claim = claim
  }
}

/** Only the first transaction of a redrive, on the session's own. */
async function claimed(tx: Tx, redrive: (parts: RedriveParts<unknown>) => Promise<boolean>): Promise<unknown> {
  const transaction = async (work: (scope: { tx: Tx; trx: unknown }) => Promise<unknown>) => {
    throw new Claimed(await work({ tx, trx: null }))
  }
  const settings = { db: { transaction }, group, poison: new Map(), attempts: 3 }
  const parts = { settings, tables, most: 1 } as unknown as RedriveParts<unknown>
  return redrive(parts).then(
    () => null,
    (caught: unknown) => (caught instanceof Claimed ? caught.claim : Promise.reject(caught)),
  )
}

/** What both sides are asked to do; what it answers has no numbers and times, which are not the same there. */
function operationAtRandom(dice: Dice): Operation {
  const number = dice.below(9)
  const item = itemOf(number)
  const key = keyOf(number)
  const soon = dice.chance(0.7)
  const holder = dice.pick(holders)
  const partition = { topic: 'a', topicId: '', partition: number % 2 }
  const operations: readonly Operation[] = [
    ['insertIds', async (tx) => (await insertIds(tx, tables, group, [item.id], null)).has(item.id.identity)],
    ['lockParkedKeys', async (tx) => [...(await lockParkedKeys(tx, tables, group, [item, itemOf(number + 1)]))].sort()],
    [
      'park',
      (tx) => park(tx, tables, group, [{ place: keyPlaceOf(item) as string, dueInMs: soon ? 0 : null }], [item]),
    ],
    ['countKeysAside', (tx) => countKeysAside(tx, tables, group, 100)],
    ['lockHead', (tx) => lockHead(tx, tables, group, key)],
    ['setDue', (tx) => setDue(tx, tables, group, key, soon ? 0 : null)],
    ['releaseHead', (tx) => releaseHead(tx, tables, group, key)],
    [
      'readParked',
      async (tx) => (await readParked(tx, tables, group, key, 2)).map(({ id, record }) => [id, record.key]),
    ],
    ['deleteParked', async (tx) => deleteParked(tx, tables, await readParked(tx, tables, group, key, 1))],
    [
      'buryParked',
      async (tx) => {
        const [first] = await readParked(tx, tables, group, key, 1)
        return first === undefined ? null : buryParked(tx, tables, first.number, 'HANDLER_FAILED', error, true, false)
      },
    ],
    [
      'storeDeadLetters',
      (tx) => storeDeadLetters(tx, tables, group, [{ item, reason: 'HANDLER_FAILED', error, parks: soon }], false),
    ],
    ['startAttempt', (tx) => startAttempt(tx, tables, group, item.id, 3)],
    ['recordAttempt', (tx) => recordAttempt(tx, tables, group, item.id, error, soon)],
    ['takeBackAttempt', (tx) => takeBackAttempt(tx, tables, group, item.id)],
    ['readAttempts', async (tx) => [...(await readAttempts(tx, tables, group, [item.id]))]],
    [
      'holdPartitions',
      async (tx) => {
        const unfinished = await holdPartitions(tx, tables, group, holder, [partition, { ...partition, topic: 'b' }])
        return unfinished
          .map(({ partition: its, inHand }) => `${its.topic} ${its.partition}: ${inHand.toSorted()}`)
          .toSorted()
      },
    ],
    ['noteInHand', (tx) => noteInHand(tx, tables, group, holder, partition, soon ? [`${number}`] : null)],
    ['forgetHolders', (tx) => forgetHolders(tx, tables, group, holder, partition)],
    ['releasePartitions', (tx) => releasePartitions(tx, tables, group, holder, [partition])],
    [
      'claimKey',
      async (tx) => {
        const claim = await claimed(tx, redriveKey)
        if (typeof claim === 'string') return claim
        const { key: its, first, attempt } = claim as { key: ParkedKey; first: { id: string }; attempt: number | null }
        return [its, first.id, attempt]
      },
    ],
    [
      'claimLetter',
      async (tx) => {
        const letter = (await claimed(tx, redriveLetter)) as Record<string, unknown> | null
        return letter === null ? null : [letter.attempts, letter.tries, letter.parks, letter.digest, letter.offset]
      },
    ],
  ]
  return dice.pick(operations)
}

/** Answers how much was done, and how often somebody waited. */
async function runParking(seed: number): Promise<TwinRun> {
  await observer.query(
    `TRUNCATE oncebox.inbox, oncebox.parked_key, oncebox.parked_delivery, oncebox.dead_letter, oncebox.attempt,
       oncebox.held_partition`,
  )
  const database = new ModelDatabase()
  return runTwins({ seed, clients, observer, database, run: runInboxStatement, operation: operationAtRandom })
}

test('keys that wait, dead letters, attempts, ids and held partitions: the model answers as Postgres does, and waits where it waits', async () => {
  let done = 0
  let waited = 0
  for (let seed = 1; seed <= 40; seed++) {
    const run = await runParking(seed)
    done += run.done
    waited += run.waited
  }
  expect(done).toBeGreaterThan(700)
  expect(waited).toBeGreaterThan(50)
}, 120_000)
