import type { PauseTarget } from '@oncebox/ops'
import { change, insertNew } from './rowStatements.js'
import type { Known, StatementContext } from './statement.js'

/** A pause that is in force is a row by what it is of; one that is over is none. */
export function pauseKey(target: PauseTarget): string {
  return 'lane' in target ? `lane ${target.lane}` : `topic ${target.topic}`
}

function targetsIn({ values }: StatementContext): PauseTarget[] {
  return JSON.parse(values[0] as string)
}

function rowOf(target: PauseTarget): { lane: number | null; topic: string | null } {
  return { lane: null, topic: null, ...target }
}

/** Ends the pause of something that is paused; answers whether it was. */
export async function endPause(context: StatementContext, target: PauseTarget): Promise<boolean> {
  const paused = await change(context, context.database.pauses, 'pause', pauseKey(target), () => undefined)
  return paused !== undefined
}

/** Statements about what operators have paused. */
export const pauseStatements: Known = [
  [
    'AS target WHERE lane IS NOT NULL AND lane NOT IN',
    (context) => {
      const { database, transaction } = context
      const missing = targetsIn(context).filter(
        (target) => 'lane' in target && database.cursors.get(String(target.lane), transaction) === undefined,
      )
      return { rows: missing.map(rowOf) }
    },
  ],
  [
    'INSERT INTO "oncebox"."pause"',
    async (context) => {
      const paused: PauseTarget[] = []
      for (const target of targetsIn(context)) {
        const key = pauseKey(target)
        if (await insertNew(context, context.database.pauses, 'pause', key, true)) paused.push(target)
      }
      return { rows: paused.map(rowOf) }
    },
  ],
  [
    'UPDATE "oncebox"."pause"',
    async (context) => {
      const resumed: PauseTarget[] = []
      for (const target of targetsIn(context)) if (await endPause(context, target)) resumed.push(target)
      return { rows: resumed.map(rowOf) }
    },
  ],
  [
    'FROM "oncebox"."pause" WHERE resumed_at IS NULL AND',
    ({ database, transaction, values }) => {
      const paused = database.pauses.entries(transaction).map(([key]) => key)
      const concerned = paused.filter((key) => !key.startsWith('lane ') || key === `lane ${values[0]}`)
      return { rows: concerned.map((key) => [key.startsWith('lane ') ? null : key.slice('topic '.length)]) }
    },
  ],
]
