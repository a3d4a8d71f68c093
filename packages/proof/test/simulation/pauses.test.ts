import type { Tx } from '@oncebox/core'
import { type PauseTarget, pausePublishing, resumePublishing } from '@oncebox/ops'
import { changeLanes } from '@oncebox/relay'
import { tables as tablesOf } from '@oncebox/schema'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readPaused } from '../../../relay/src/pauses.js'
import type { Session } from '../../../relay/src/session.js'
import type { Dice } from '../../src/simulation/dice.js'
import { ModelDatabase } from '../../src/simulation/modelDatabase.js'
import { pauseKey } from '../../src/simulation/pauseStatements.js'
import { runRelayStatement } from '../../src/simulation/relayStatements.js'
import type { Run } from '../../src/simulation/statement.js'
import { type Operation, runTwins, startSessions, type TwinSessions } from './twins.js'

// Operators pause and resume, and change the number of lanes, by the product's own code, on Postgres and on the model.

const tables = tablesOf()
const by = 'ann'

let clients: TwinSessions['clients']
let observer: TwinSessions['observer']
let close: TwinSessions['close']

beforeAll(async () => {
  ;({ clients, observer, close } = await startSessions())
})

afterAll(() => close())

/** A look answers lists; drivers hand out objects. */
const run: Run = async (context) => {
  const answer = await runRelayStatement(context)
  if (!context.text.startsWith('SELECT topic FROM')) return answer
  return { ...answer, rows: answer.rows.map((row) => (Array.isArray(row) ? { topic: row[0] } : row)) }
}

async function paused(tx: Tx, lane: number): Promise<unknown> {
  const rows = async (text: string, values: readonly unknown[]) =>
    (await tx.query<{ topic: string | null }>(text, values)).rows.map(({ topic }) => [topic])
  const found = await readPaused({ rows } as unknown as Session, tables, lane)
  return [found.lane, [...found.topics].toSorted()]
}

/** Resuming answers in an order that is Postgres' own. */
const named = (targets: readonly PauseTarget[]): string[] => targets.map(pauseKey).toSorted()

function operationAtRandom(dice: Dice): Operation {
  const fate = dice.next()
  const lane = dice.below(3)
  const target: PauseTarget = dice.chance(0.5) ? { lane } : { topic: dice.pick(['a', 'b']) }
  const options = { targets: [target], by }
  const what = pauseKey(target)
  if (fate < 0.4) return [`pause ${what}`, async (tx) => named(await pausePublishing(tx, options))]
  if (fate < 0.65) return [`resume ${what}`, async (tx) => named(await resumePublishing(tx, options))]
  if (fate < 0.75) return [`lanes ${lane + 1}`, (tx) => changeLanes(tx, lane + 1)]
  return ['look', (tx) => paused(tx, lane)]
}

test('what is paused in the model is paused in Postgres: by whoever comes first, until somebody resumes it or its lane is gone', async () => {
  let done = 0
  let waited = 0
  for (let seed = 1; seed <= 60; seed++) {
    await observer.query('SELECT oncebox.change_lanes(2)')
    await observer.query('TRUNCATE oncebox.pause')
    await observer.query(`UPDATE oncebox.relay_cursor SET epoch = 0, last_snapshot = '3:3:'`)
    const database = new ModelDatabase(2)
    const result = await runTwins({ seed, clients, observer, database, run, operation: operationAtRandom })
    const { rows } = await observer.query<{ lane: number | null; topic: string | null }>(
      'SELECT lane, topic FROM oncebox.pause WHERE resumed_at IS NULL',
    )
    const inPostgres = rows.map(({ lane, topic }) => pauseKey(lane === null ? { topic: topic ?? '' } : { lane }))
    const inModel = database.pauses.entries(database.begin()).map(([key]) => key)
    expect(inModel.toSorted(), `seed ${seed}`).toEqual(inPostgres.toSorted())
    done += result.done
    waited += result.waited
  }
  expect(done).toBeGreaterThan(1_000)
  expect(waited).toBeGreaterThan(50)
}, 120_000)
