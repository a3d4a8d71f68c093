import { handleAgain } from '@oncebox/inbox'
import { type PlannedReplay, replayRunStep, replayStep } from '@oncebox/ops'
import type { Sessions } from './sessions.js'

/** A replay as steps, each a transaction of its own. */
export interface Replaying {
  /** The next messages, `limit` at most. */
  step(limit: number): Promise<{ readonly copied: number; readonly more: boolean }>
  /** The command that goes on from where the steps have got to. */
  goOn(): string
}

/** Copies to the end of the outbox, which the relay publishes again. */
export function publishingAgain(sessions: Sessions, plan: PlannedReplay): Replaying {
  const seen = new Set<string>()
  let { after } = plan
  return {
    async step(limit) {
      const step = await sessions.writing((tx) => replayStep(tx, { ...plan, after }, limit, seen))
      after = step.after ?? after
      return { copied: step.copied.length, more: step.after !== null }
    },
    goOn: () => `oncebox replay ${flagsOf(plan.filter)} --after ${after} --before ${plan.before} --yes`,
  }
}

/** Pure. The filter as the command takes it. */
function flagsOf({ topic, key, type, fromMs, toMs }: PlannedReplay['filter']): string {
  const flags = Object.entries({ topic, key, type }).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name} ${quoted(value)}`],
  )
  const time = (ms: number) => new Date(ms).toISOString()
  return [...flags, `--since ${time(fromMs)}`, `--until ${time(toMs)}`].join(' ')
}

/** For a shell, where it is not a plain word. */
function quoted(text: string): string {
  return /^[\w.:/@-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}

/**
 * Asks one group to handle the messages of a run again. The run is kept in the group's database, which is `target`; where that is
 * the one with the outbox, a step takes one connection and not two.
 */
export function handlingAgain(outbox: Sessions, target: Sessions, run: string, schema: string): Replaying {
  return {
    step: (limit) =>
      target.writing(async (tx) => {
        const ask = (reading: typeof tx) =>
          replayRunStep(reading, tx, { schema, run, limit }, (group, records, by) =>
            handleAgain(tx, { schema, group, records, by }),
          )
        const { asked, waiting, dead, more } = await (outbox === target ? ask(tx) : outbox.reading(ask))
        return { copied: asked + waiting + dead, more }
      }),
    goOn: () => `oncebox replay --again --run ${run}`,
  }
}
